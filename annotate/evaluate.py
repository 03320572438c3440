"""Labellers against gold sets: scores with intervals, calibration, precision and recall."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotate.encoder.decide import expected_calibration_error
from annotate.gold import Gold
from annotate.guideline import load as load_guideline
from annotate.labeller import Label, Labeller, Side
from annotate.plots import plot, require_matplotlib
from sad.errors import DataError
from sad.files import write_json
from sad.metrics import multilabel
from sad.metrics.intervals import Interval, Reduce, bootstrap
from sad.types import NO_STRATEGY, STRATEGY_LABELS, Stance

Array = NDArray[np.float64]

METRICS = "metrics.json"
SEED, RESAMPLES = 13, 2000
_BATCH = 1024
_OF_LABELS: dict[str, Reduce] = {
    "f1": multilabel.macro_f1,
    "precision": multilabel.precision,
    "recall": multilabel.recall,
}
_OF_SETS: dict[str, Reduce] = {"micro_f1": multilabel.micro_f1, "macro_f1": multilabel.macro_f1}
_OF_STANCES: dict[str, Reduce] = {
    "accuracy": multilabel.accuracy,
    "macro_f1": multilabel.binary_macro_f1,
}


@dataclass(frozen=True, slots=True)
class Answers:
    """What a labeller said of the N texts of a gold set, and the truth; L labels, or one stance."""

    labeller: str
    model: str | None
    gold: Gold
    labels: tuple[str, ...]
    truth: Array  # [N, L], NaN where not annotated
    named: Array  # [N, L]
    chances: Array  # [N, L]
    unanswered: int = 0  # texts without an answer


def average_precision(chances: Array, truth: Array) -> float:
    """Precision averaged over the recall that each distinct chance adds; 0 without positives."""
    total = truth.sum()
    if not total:
        return 0.0
    order = np.argsort(-chances, kind="stable")
    hits, seen = np.cumsum(truth[order]), np.arange(1, len(truth) + 1)
    ends = np.append(np.diff(chances[order]) != 0, True)  # equal chances come at once
    gained = np.diff(hits[ends], prepend=0.0)
    return float((gained * hits[ends] / seen[ends]).sum() / total)


_OF_CHANCES = {
    "average_precision": average_precision,
    "calibration_error": expected_calibration_error,
}


def require(labellers: Iterable[Labeller], sets: Sequence[Gold]) -> None:
    """Refuse, before the first answer, what could not be judged or drawn after the last.

    Args:
        labellers: taken one by one, after all else was looked at.
        sets: the gold sets that each is judged by.

    Raises:
        DataError: two gold sets have one name, or one has no labels of a labeller's kind.
        MissingExtraError: there is no matplotlib.
    """
    require_matplotlib()
    first: dict[str, Gold] = {}
    for gold in sets:
        if first.setdefault(gold.name, gold).digest != gold.digest:
            raise DataError(gold.name, "two gold sets have this name; rename one of the files")
    for labeller in labellers:
        for gold in sets:
            _truth(labeller, gold)


def answers(
    labeller: Labeller, gold: Gold, on_progress: Callable[[int, int], None] = lambda *_: None
) -> Answers:
    """What ``labeller`` says of ``gold``.

    A stance that is unclear or has no answer is a wrong one, whatever the truth: the guideline
    counts it as no side. Of strategies no answer finds none.

    Raises:
        DataError: the gold set has no labels of its kind.
    """
    truth = _truth(labeller, gold)
    found: list[Any] = []
    for start in range(0, len(gold.items), _BATCH):
        found += labeller.label(gold.items[start : start + _BATCH])
        on_progress(len(found), len(gold.items))
    stance = labeller.kind == "stance"
    labels = ("support",) if stance else STRATEGY_LABELS
    none = Side(None, 0.5) if stance else Label(NO_STRATEGY, (0.0,) * len(labels), ())
    named, chances = (
        np.array(column, np.float64)
        for column in zip(*(_told(answer or none) for answer in found), strict=True)
    )
    named = np.where(np.isnan(named), 1 - truth, named)
    unanswered = sum(answer is None for answer in found)
    return Answers(labeller.name, labeller.model, gold, labels, truth, named, chances, unanswered)


def _truth(labeller: Labeller, gold: Gold) -> Array:
    """What ``labeller`` is judged by: [N, L]."""
    truth = gold.stance[:, None] if labeller.kind == "stance" else gold.strategies
    if np.isnan(truth).all():
        raise DataError(gold.name, f"has no {labeller.kind} for {labeller.name} to be judged by")
    return truth


def _told(answer: Label | Side) -> tuple[list[float], list[float]]:
    """What is named, NaN where no side is, and the chance of each label."""
    if isinstance(answer, Side):
        side = np.nan if answer.stance is None else float(answer.stance is Stance.SUPPORT)
        return [side], [answer.support]
    names = answer.strategies.labels()
    return [float(label in names) for label in STRATEGY_LABELS], list(answer.scores)


def scores(found: Answers) -> list[dict[str, Any]]:
    """One record per label and metric, with its interval over the groups of the gold set."""
    return [
        {
            "gold": found.gold.name,
            "labeller": found.labeller,
            "label": label,
            "metric": metric,
            "positives": positives,
            **{k: _round(v) for k, v in asdict(interval).items()},
        }
        for label, metric, positives, interval in _scored(found)
    ]


def _scored(found: Answers) -> Iterator[tuple[str, str, int, Interval]]:
    groups = np.array(found.gold.groups)
    known = ~np.isnan(found.truth)
    for place, label in enumerate(found.labels):
        if not known[:, place].any():
            continue
        rows = known[:, place]
        truth, named = found.truth[rows, place], found.named[rows, place]
        counts = multilabel.counts(truth[:, None], named[:, None])
        measures = _OF_LABELS if truth.any() else {}  # without positives they say nothing
        for name, reduce in measures.items():
            yield label, name, int(truth.sum()), _interval(counts, groups[rows], reduce)
        chances = found.chances[rows, place]
        groups_of = len(set(groups[rows]))
        for name, measure in _OF_CHANCES.items():
            if name == "average_precision" and not truth.any():
                continue
            value = measure(chances, truth)
            plain = Interval(value, None, None, int(rows.sum()), groups_of, 0, SEED)
            yield label, name, int(truth.sum()), plain
    if found.labels == ("support",):
        rows = known[:, 0]
        table = multilabel.confusion(found.truth[rows, 0], found.named[rows, 0])
        positives = int(found.truth[rows, 0].sum())
        for name, reduce in _OF_STANCES.items():
            yield "stance", name, positives, _interval(table, groups[rows], reduce)
        return
    # The means are over the labels that the gold set has positives of.
    some, asked = known.any(axis=1), np.nansum(found.truth, axis=0) > 0
    known, groups = known[some], groups[some]
    # Of labels that are not annotated both sides are blanked, so that they count nowhere.
    truth, named = (np.where(known, side[some], 0.0) for side in (found.truth, found.named))
    counts = multilabel.counts(truth[:, asked], named[:, asked])
    for name, reduce in (_OF_SETS if asked.any() else {}).items():
        yield "all", name, int(truth.sum()), _interval(counts, groups, reduce)
    if known.all():
        same = (truth == named).all(axis=1).astype(np.float64)
        whole = np.stack([same, np.ones(len(same))], axis=1)
        ratio = lambda s: multilabel.ratio(s[..., 0], s[..., 1])  # noqa: E731
        yield "all", "subset_accuracy", int(truth.sum()), _interval(whole, groups, ratio)


def _interval(stats: Array, groups: NDArray[Any], reduce: Reduce) -> Interval:
    return bootstrap(stats, list(groups), reduce, resamples=RESAMPLES, seed=SEED)


def write(found: Sequence[Answers], out: Path) -> list[dict[str, Any]]:
    """Write ``metrics.json`` and the plots into ``out``; the scores.

    Gold sets are told apart by their names (``require``).
    """
    panels: dict[str, list[Answers]] = {}
    for each in found:
        kind = "-stance" if each.labels == ("support",) else ""
        panels.setdefault(each.gold.name + kind, []).append(each)
    told = [score for each in found for score in scores(each)]
    record = {
        "whose": "ours",
        "guideline_version": load_guideline().version,
        "versions": {"sad-dialogue": version("sad-dialogue")},
        "gold": {
            name: {
                "n": len(gold.items),
                "of": gold.of or len(gold.items),
                "groups": len(set(gold.groups)),
                "sha256": gold.digest,
            }
            for name, gold in {each.gold.name: each.gold for each in found}.items()
        },
        "labellers": {each.labeller: {"model": each.model} for each in found},
        "unanswered": {
            f"{each.labeller} on {each.gold.name}": each.unanswered
            for each in found
            if each.unanswered
        },
        "scores": told,
    }
    write_json(out / METRICS, record)
    for name, together in panels.items():
        plot(together, out, name)
    return told


HEADER = ("gold", "labeller", "label", "n", "positives", "F1", "precision", "recall", "AP")


def table(told: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The scores as rows under ``HEADER``: a row per gold set, labeller and label."""
    rows: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
    for score in told:
        key = (score["gold"], score["labeller"], score["label"])
        rows.setdefault(key, {})[score["metric"]] = score
    found = []
    for key, of in rows.items():
        f1 = of.get("f1") or of.get("macro_f1")
        main = f1 or next(iter(of.values()))
        cells = [_cell(of.get(name)) for name in ("precision", "recall", "average_precision")]
        found.append([*key, f"{main['n']:,}", f"{main['positives']:,}", _cell(f1), *cells])
    return found


def _cell(score: dict[str, Any] | None) -> str:
    if score is None:
        return "-"
    low, high = score["low"], score["high"]
    return f"{score['value']:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low is not None else "")


def _round(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value
