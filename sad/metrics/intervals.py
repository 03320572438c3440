"""Bootstrap intervals over trees: dialogues of a tree share text, so trees are what is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Reduce = Callable[[Array], Array]
"""From summed statistics [..., K] to values [...]."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % percentile interval, and what it rests on.

    ``low`` and ``high`` are None where fewer than two trees were seen, or the metric has no sum.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    n_trees: int
    resamples: int
    seed: int


def bootstrap(
    stats: Sequence[Sequence[float]] | Array,
    groups: Sequence[Any],
    reduce: Reduce,
    *,
    resamples: int = 2000,
    seed: int = 13,
) -> Interval:
    """The value of ``reduce`` over all items and its interval under resampling of whole groups.

    Args:
        stats: [N, K], additive statistics per item.
        groups: [N], the tree of each item.
        reduce: from summed statistics [..., K] to values [...].
        resamples: B.
        seed: of numpy's PCG64.
    """
    table = np.asarray(stats, np.float64).reshape(len(groups), -1)
    # Sorted group names make the draw independent of the order of the items.
    names, place = np.unique(np.asarray(groups, str), return_inverse=True)
    sums = np.zeros((len(names), table.shape[1]))
    np.add.at(sums, place, table)
    value = float(reduce(table.sum(axis=0)))
    low = high = None
    if len(names) > 1:
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = reduce(drawn.astype(np.float64) @ sums)
        low, high = (float(x) for x in np.nanpercentile(values, [2.5, 97.5]))
    return Interval(value, low, high, len(groups), len(names), resamples, seed)
