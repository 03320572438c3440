"""Overlap of a generated text with its reference: BLEU, ROUGE, distinct n-grams, copying."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sad.errors import MissingExtraError
from sad.metrics.multilabel import ratio

Array = NDArray[np.float64]

ORDERS = 4
"""The largest n of n-grams counted for BLEU."""


@cache
def _tokenizer() -> Any:
    try:
        from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    except ImportError:
        raise MissingExtraError("eval", "sacrebleu") from None
    return Tokenizer13a()


@cache
def _rouge() -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise MissingExtraError("eval", "rouge-score") from None
    return RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)


def tokens(text: str) -> list[str]:
    """``text`` in the 13a tokenisation of sacreBLEU."""
    return str(_tokenizer()(text.strip())).split()


def ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """The n-grams of ``words`` with their counts."""
    return Counter(zip(*(words[i:] for i in range(n)), strict=False))


def bleu_counts(hypothesis: str, reference: str) -> Array:
    """Clipped matches per order, totals per order, hypothesis and reference length: [2 * 4 + 2]."""
    hyp, ref = tokens(hypothesis), tokens(reference)
    found = [ngrams(hyp, n) for n in range(1, ORDERS + 1)]
    wanted = [ngrams(ref, n) for n in range(1, ORDERS + 1)]
    matches = [(h & r).total() for h, r in zip(found, wanted, strict=True)]
    totals = [h.total() for h in found]
    return np.array([*matches, *totals, len(hyp), len(ref)], np.float64)


def bleu(summed: Array, order: int) -> Array:
    """Corpus BLEU up to n-grams of ``order``, 0 to 100, from summed ``bleu_counts`` [..., 10].

    Exponential smoothing of empty orders and the brevity penalty are sacreBLEU's defaults.
    """
    matches, totals = summed[..., :order], summed[..., ORDERS : ORDERS + order]
    hyp, ref = summed[..., -2], summed[..., -1]
    empty = (matches == 0) & (totals > 0)
    smoothed = 1 / 2 ** np.cumsum(empty, axis=-1)
    precisions = ratio(np.where(empty, smoothed, matches), totals)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(precisions).mean(axis=-1)
        brevity = np.where(hyp < ref, np.exp(1 - ratio(ref, hyp)), 1.0)
    some = (matches.sum(axis=-1) > 0) & (totals > 0).all(axis=-1)
    return np.where(some, 100 * brevity * np.exp(logs), 0.0)


def rouge(hypothesis: str, reference: str) -> dict[str, float]:
    """ROUGE-1, -2 and -L F-measures of one pair, 0 to 100, by ``rouge-score`` with stemming."""
    found = _rouge().score(reference, hypothesis)
    return {name: 100 * found[name].fmeasure for name in ("rouge1", "rouge2", "rougeL")}


def distinct(texts: Sequence[Sequence[str]], n: int) -> float:
    """Distinct-n: different n-grams divided by all n-grams of the tokenised ``texts``, 0 to 1."""
    counted: Counter[tuple[str, ...]] = Counter()
    for words in texts:
        counted.update(ngrams(words, n))
    return len(counted) / counted.total() if counted else 0.0


def copied(hypothesis: str, sources: Sequence[str], n: int = 4) -> tuple[int, int]:
    """How many n-grams of ``hypothesis`` stand in one of ``sources``, and how many it has."""
    found = ngrams(tokens(hypothesis), n)
    known = {gram for source in sources for gram in ngrams(tokens(source), n)}
    return sum(count for gram, count in found.items() if gram in known), found.total()
