"""From model output to scores: what lm-eval calls per document, and how documents become a score.

Per document and metric we hand lm-eval a row of additive statistics (for Distinct-n: the tokens).
The same rows, read back from its sample files, give the intervals of the report.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from annotate.labeller import Item, Label, Labeller, load
from benchmarks.prompts import kept_history
from sad.metrics import multilabel, overlap
from sad.metrics.intervals import Interval, Reduce, bootstrap
from sad.types import STRATEGY_LABELS

CONTROL_LABELLER = "cues"
"""Who reads the strategies of a generated text. Source: ours; named in every report."""


def _mean(summed: Any) -> Any:
    return multilabel.ratio(summed[..., 0], summed[..., 1])


def _bleu(order: int) -> Reduce:
    return partial(overlap.bleu, order=order)


def _distinct(rows: Sequence[Sequence[str]], n: int) -> float:
    return overlap.distinct(rows, n)


@dataclass(frozen=True, slots=True)
class Metric:
    """How the per-document rows of a metric become its value.

    ``reduce`` takes summed rows; where a metric has no sum, ``whole`` takes all rows and there is
    no interval.
    """

    reduce: Reduce | None = None
    whole: Callable[[Sequence[Any]], float] | None = None
    about: str = ""

    def __call__(self, rows: Sequence[Any]) -> float:
        """The value over ``rows``: what lm-eval calls an aggregation."""
        if self.whole is not None:
            return self.whole(rows)
        assert self.reduce is not None  # noqa: S101  one of the two is always given
        return float(self.reduce(np.asarray(rows, np.float64).sum(axis=0)))

    def interval(self, rows: Sequence[Any], trees: Sequence[str]) -> Interval:
        """The value over ``rows`` with its bootstrap interval over ``trees``."""
        if self.reduce is not None:
            return bootstrap(rows, trees, self.reduce)
        return Interval(self(rows), None, None, len(rows), len(set(trees)), 0, 0)


METRICS: dict[str, Metric] = {
    **{f"bleu_{n}": Metric(_bleu(n), about="0-100, sacreBLEU 13a, exp") for n in range(1, 5)},
    **{f"rouge_{n}": Metric(_mean, about="0-100, F, stemmed") for n in ("1", "2", "l")},
    "distinct_1": Metric(whole=partial(_distinct, n=1), about="0-1, corpus; no interval"),
    "distinct_2": Metric(whole=partial(_distinct, n=2), about="0-1, corpus; no interval"),
    "length_ratio": Metric(_mean, about="tokens / tokens of the reference"),
    "copy_rate": Metric(_mean, about="0-1, 4-grams that stand in the history"),
    "empty": Metric(_mean, about="0-1, replies without a word; lower is better"),
    "truncated": Metric(_mean, about="0-1, documents whose history was cut"),
    "control_precision": Metric(multilabel.precision, about="0-1, pooled"),
    "control_recall": Metric(multilabel.recall, about="0-1, pooled"),
    "control_f1": Metric(multilabel.micro_f1, about="0-1, pooled: requested against found"),
    "control_exact": Metric(_mean, about="0-1, sets found as requested"),
    "ceiling_f1": Metric(multilabel.micro_f1, about="0-1, control_f1 of the references"),
    "acc": Metric(multilabel.accuracy, about="0-1"),
    "macro_f1": Metric(multilabel.binary_macro_f1, about="0-1, both stances"),
    "mcc": Metric(multilabel.mcc, about="-1 to 1"),
    "label_micro_f1": Metric(multilabel.micro_f1, about="0-1, all decisions pooled"),
    "label_macro_f1": Metric(multilabel.macro_f1, about="0-1, mean over the five"),
    "subset_acc": Metric(_mean, about="0-1, whole set right"),
    "jaccard": Metric(_mean, about="0-1"),
    "ties": Metric(_mean, about="0-1, equal log-likelihoods, taken as no or oppose"),
    "hamming": Metric(_mean, about="0-1, wrong decisions; lower is better"),
}
"""Every metric of every task. Source: specification 11.5; the paper's own list is unknown."""


_MARKER = re.compile(r"^\s*(?:support|oppose):\s*", re.IGNORECASE)


def reply(text: str) -> str:
    """What a model wrote, without the stance word that opens every line of the history."""
    return _MARKER.sub("", text).strip()


def generation(doc: dict[str, Any], results: list[str]) -> dict[str, Any]:
    """The rows of the overlap metrics for one generated reply."""
    text = reply(results[0])
    counts = overlap.bleu_counts(text, doc["target"]).tolist()
    rouge = overlap.rouge(text, doc["target"])
    words = overlap.tokens(text)
    turns, cut = kept_history(doc)
    copied, total = overlap.copied(text, [doc["topic"], *(turn["text"] for turn in turns)])
    return {
        **{f"bleu_{n}": counts for n in range(1, 5)},
        **{f"rouge_{n}": [rouge[f"rouge{n.upper()}"], 1] for n in ("1", "2", "l")},
        "distinct_1": words,
        "distinct_2": words,
        "length_ratio": counts[-2:],
        "copy_rate": [copied, total],
        "empty": [int(not text), 1],
        "truncated": [int(cut), 1],
    }


def controlled_generation(doc: dict[str, Any], results: list[str]) -> dict[str, Any]:
    """As ``generation``, and the requested strategies against those found in the reply.

    ``ceiling_f1`` scores the reference in the same way: what the labeller's own errors allow.
    """
    wanted = _vector(doc["target_strategies"])
    texts = [reply(results[0]), doc["target"]]
    found, reference = (_vector(labels) for labels in _strategies(texts))
    control = multilabel.counts(wanted, found).tolist()
    return {
        **generation(doc, results),
        "control_precision": control,
        "control_recall": control,
        "control_f1": control,
        "control_exact": [int(wanted == found), 1],
        "ceiling_f1": multilabel.counts(wanted, reference).tolist(),
    }


def stance(doc: dict[str, Any], results: list[tuple[float, bool]]) -> dict[str, Any]:
    """The rows of the stance task: the answer with the larger log-likelihood is chosen."""
    oppose, support = (result[0] for result in results)
    row = multilabel.confusion(doc["stance"], int(support > oppose)).tolist()
    return {"acc": row, "macro_f1": row, "mcc": row, "ties": [int(support == oppose), 1]}


def strategies(doc: dict[str, Any], results: list[tuple[float, bool]]) -> dict[str, Any]:
    """The rows of the strategy task: five decisions, yes where it is likelier than no."""
    likelihoods = [result[0] for result in results]
    yes, no = likelihoods[0::2], likelihoods[1::2]
    predicted = [int(y > n) for y, n in zip(yes, no, strict=True)]
    gold = _vector(doc["strategies"])
    row = multilabel.counts(gold, predicted).tolist()
    wrong = sum(g != p for g, p in zip(gold, predicted, strict=True))
    return {
        "label_micro_f1": row,
        "label_macro_f1": row,
        "subset_acc": [int(wrong == 0), 1],
        "jaccard": [float(multilabel.jaccard(gold, predicted)), 1],
        "hamming": [wrong, len(gold)],
        "ties": [sum(y == n for y, n in zip(yes, no, strict=True)), len(gold)],
    }


def _vector(labels: Sequence[str]) -> list[int]:
    return [int(label in labels) for label in STRATEGY_LABELS]


@cache
def _labeller() -> Labeller:
    return load(CONTROL_LABELLER)


def _strategies(texts: Sequence[str]) -> list[list[str]]:
    items = [Item(str(i), text) for i, text in enumerate(texts)]
    found = _labeller().label(items)
    return [label.strategies.labels() for label in found if isinstance(label, Label)]
