"""Multi-label and binary classification metrics over additive counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def counts(gold: ArrayLike, predicted: ArrayLike) -> Array:
    """True positives, false positives, false negatives per label, concatenated: [..., 3 L].

    Args:
        gold: [..., L], 0 or 1.
        predicted: [..., L], 0 or 1.
    """
    g, p = np.asarray(gold, np.float64), np.asarray(predicted, np.float64)
    return np.concatenate([g * p, (1 - g) * p, g * (1 - p)], axis=-1)


def f1_per_label(summed: Array) -> Array:
    """F1 of each label from summed ``counts`` [..., 3 L]: [..., L]; 0 where nothing is positive."""
    tp, fp, fn = np.split(summed, 3, axis=-1)
    return ratio(2 * tp, 2 * tp + fp + fn)


def macro_f1(summed: Array) -> Array:
    """Mean of the F1 of the labels; summed ``counts`` [..., 3 L] to [...]."""
    return np.asarray(f1_per_label(summed).mean(axis=-1))


def micro_f1(summed: Array) -> Array:
    """F1 of all decisions pooled; summed ``counts`` [..., 3 L] to [...]."""
    tp, fp, fn = (part.sum(axis=-1) for part in np.split(summed, 3, axis=-1))
    return ratio(2 * tp, 2 * tp + fp + fn)


def precision(summed: Array) -> Array:
    """Pooled precision; summed ``counts`` [..., 3 L] to [...]."""
    tp, fp, _ = (part.sum(axis=-1) for part in np.split(summed, 3, axis=-1))
    return ratio(tp, tp + fp)


def recall(summed: Array) -> Array:
    """Pooled recall; summed ``counts`` [..., 3 L] to [...]."""
    tp, _, fn = (part.sum(axis=-1) for part in np.split(summed, 3, axis=-1))
    return ratio(tp, tp + fn)


def jaccard(gold: ArrayLike, predicted: ArrayLike) -> Array:
    """Intersection over union of each pair of label sets [..., L]; two empty sets agree (1)."""
    g, p = np.asarray(gold, bool), np.asarray(predicted, bool)
    union = (g | p).sum(axis=-1)
    return np.where(union == 0, 1.0, ratio((g & p).sum(axis=-1), union))


def confusion(gold: ArrayLike, predicted: ArrayLike) -> Array:
    """True and false positives, false and true negatives of 0/1 decisions: [..., 4]."""
    g, p = np.asarray(gold, np.float64), np.asarray(predicted, np.float64)
    return np.stack([g * p, (1 - g) * p, g * (1 - p), (1 - g) * (1 - p)], axis=-1)


def accuracy(summed: Array) -> Array:
    """Share of right decisions from a summed ``confusion`` [..., 4]."""
    return ratio(summed[..., 0] + summed[..., 3], summed.sum(axis=-1))


def binary_macro_f1(summed: Array) -> Array:
    """Mean of the F1 of both classes from a summed ``confusion`` [..., 4]."""
    tp, fp, fn, tn = np.moveaxis(summed, -1, 0)
    return (ratio(2 * tp, 2 * tp + fp + fn) + ratio(2 * tn, 2 * tn + fp + fn)) / 2


def mcc(summed: Array) -> Array:
    """Matthews correlation from a summed ``confusion`` [..., 4]; 0 where a margin is empty."""
    tp, fp, fn, tn = np.moveaxis(summed, -1, 0)
    margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return ratio(tp * tn - fp * fn, np.sqrt(margins))


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Array:
    """``numerator / denominator``, 0 where the denominator is 0."""
    top, bottom = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    return np.divide(top, bottom, out=np.zeros(np.broadcast(top, bottom).shape), where=bottom != 0)
