"""Agreement between annotators, from counts of who said what.

C is the number of values: two for one label, ``2 ** L`` masks for sets of labels. Items with fewer
than two votes say nothing of agreement and count nowhere; missing votes are allowed everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sad.metrics.multilabel import ratio

Array = NDArray[np.float64]


def tally(items: ArrayLike, values: ArrayLike, n_items: int, n_values: int) -> Array:
    """How many votes gave item i the value c: [N, C].

    Args:
        items: [V], the item of each vote, 0 to N - 1.
        values: [V], its value, 0 to C - 1.
        n_items: N.
        n_values: C.
    """
    cells = np.asarray(items, np.int64) * n_values + np.asarray(values, np.int64)
    counted = np.bincount(cells, minlength=n_items * n_values)
    return counted.reshape(n_items, n_values).astype(np.float64)


def fleiss_kappa(table: ArrayLike) -> float:
    """Fleiss' kappa of ``table`` [N, C]: how many raters put item i into class j.

    1.0 where everybody always chose the same class. Source: specification 11.4.

    Raises:
        ValueError: the items have different numbers of raters, or fewer than two.
    """
    counts = np.asarray(table, np.float64)
    raters = counts.sum(axis=1)
    if counts.ndim != 2 or not len(counts) or (raters != raters[0]).any() or raters[0] < 2:
        raise ValueError("every item needs the same number of raters, two at least")
    return float(kappa(pairs(counts).sum(axis=0)))


def pairs(table: Array) -> Array:
    """Additive statistics of ``kappa`` and ``raw``: [N, 2 + C].

    These are 1, the share of agreeing pairs of votes, and the counts.
    """
    n = table.sum(axis=1)
    agreeing = ratio((table**2).sum(axis=1) - n, n * (n - 1))
    stats = np.column_stack([np.ones(len(table)), agreeing, table])
    return np.where((n > 1)[:, None], stats, 0.0)


def raw(summed: Array) -> Array:
    """Mean share of agreeing pairs of votes, from summed ``pairs`` [..., 2 + C]."""
    return ratio(summed[..., 1], summed[..., 0])


def kappa(summed: Array) -> Array:
    """Fleiss' kappa from summed ``pairs`` [..., 2 + C]; 1 where only one value was ever given.

    With missing votes the share of each value is over all votes, as for complete ones; statsmodels
    and the textbook know the complete case only.
    """
    observed, counts = raw(summed), summed[..., 2:]
    shares = ratio(counts, counts.sum(axis=-1, keepdims=True))
    expected = (shares**2).sum(axis=-1)
    return np.where(expected >= 1.0, 1.0, ratio(observed - expected, 1 - expected))


def disagreements(table: Array, distance: Array) -> Array:
    """Additive statistics of ``alpha``: disagreement within the item, then its counts: [N, 1 + C].

    Args:
        table: [N, C].
        distance: [C, C], symmetric with a zero diagonal.
    """
    n = table.sum(axis=1)
    within = np.einsum("nc,nc->n", table @ distance, table)
    stats = np.column_stack([ratio(within, n - 1), table])
    return np.where((n > 1)[:, None], stats, 0.0)


def alpha(summed: Array, distance: Array) -> Array:
    """Krippendorff's alpha, 1 - D_o / D_e, from summed ``disagreements`` [..., 1 + C].

    1 where only one value was ever given. Source: specification 11.4.
    """
    counts = summed[..., 1:]
    n = counts.sum(axis=-1)
    expected = ratio(((counts @ distance) * counts).sum(axis=-1), n - 1)
    return np.where(expected == 0.0, 1.0, 1 - ratio(summed[..., 0], expected))


def entropy(table: Array) -> Array:
    """Entropy of the votes on each item in bits: [N]; 0 where they are unanimous."""
    shares = ratio(table, table.sum(axis=1, keepdims=True))
    bits: Array = -np.log2(np.where(shares > 0, shares, 1.0))
    return np.asarray((shares * bits).sum(axis=1) + 0.0)  # no minus before a zero


def cohen(
    places: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    n_pairs: int,
    n_values: int,
) -> tuple[Array, Array, Array]:
    """Common items, raw agreement and Cohen's kappa of each pair of annotators: [P], [P], [P].

    Kappa is 1 where both only ever gave the same one value. M is the number of meetings: two
    annotators on one item.

    Args:
        places: [M], the pair that meets, 0 to P - 1.
        first: [M], what the first of them said, 0 to C - 1.
        second: [M], what the second of them said.
        n_pairs: P.
        n_values: C.
    """
    n = np.bincount(places, minlength=n_pairs).astype(np.float64)
    observed = ratio(np.bincount(places, first == second, n_pairs), n)
    margins = tally(places, first, n_pairs, n_values), tally(places, second, n_pairs, n_values)
    expected = ratio((margins[0] * margins[1]).sum(axis=1), n**2)
    chance = np.where(expected >= 1.0, 1.0, ratio(observed - expected, 1 - expected))
    return n, observed, chance


def nominal(n_values: int) -> Array:
    """Distance 0 between equal values, 1 between others: [C, C]."""
    return np.asarray(1.0 - np.eye(n_values), np.float64)


def jaccard_distance(n_labels: int) -> Array:
    """1 - intersection over union between all label sets, indexed by mask: [2^L, 2^L]."""
    both, either = _overlaps(n_labels)
    return 1.0 - np.where(either == 0, 1.0, ratio(both, either))


def masi_distance(n_labels: int) -> Array:
    """1 - Jaccard * monotonicity between all label sets, indexed by mask: [2^L, 2^L].

    Monotonicity is 1 for equal sets, 2/3 where one holds the other, 1/3 where they overlap, else 0.
    Source: Passonneau 2006; specification 11.4.
    """
    both, either = _overlaps(n_labels)
    size = np.diag(both)
    smaller = np.minimum(size[:, None], size[None, :])
    rank = np.select([both == either, both == smaller, both > 0], [1.0, 2 / 3, 1 / 3], 0.0)
    return np.asarray(1.0 - np.where(either == 0, 1.0, ratio(both, either)) * rank)


def _overlaps(n_labels: int) -> tuple[Array, Array]:
    """Sizes of intersection and union of all pairs of masks."""
    masks = np.arange(2**n_labels)
    members = ((masks[:, None] >> np.arange(n_labels)) & 1).astype(np.float64)
    both = members @ members.T
    size = members.sum(axis=1)
    return both, size[:, None] + size[None, :] - both
