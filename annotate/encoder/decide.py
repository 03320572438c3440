"""From logits to probabilities and decisions: temperatures, thresholds, calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sad.metrics.multilabel import ratio

Array = NDArray[np.float64]

BINS = 10
NEVER = 2.0
"""A threshold that no probability reaches: of labels that nothing was learnt about."""
_THRESHOLDS = np.linspace(0.02, 0.98, 97)
_TEMPERATURES = np.geomspace(0.25, 8.0, 121)


@dataclass(frozen=True, slots=True)
class Decision:
    """Per label the temperature that divides its logit, and the least probability that names it."""

    temperatures: tuple[float, ...]
    thresholds: tuple[float, ...]


def probabilities(logits: Array, temperatures: Array | tuple[float, ...]) -> Array:
    """Sigmoid of logits [N, L] over one temperature per label."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits / np.asarray(temperatures), -60, 60))))


def learn(logits: Array, targets: Array, threshold: float | None = None) -> Decision:
    """The decision that fits validation texts best.

    Args:
        logits: [N, L].
        targets: [N, L], 1, 0, or NaN where a label is not annotated.
        threshold: of every label; learnt for each unless given.
    """
    pairs = []
    for column, truth in zip(logits.T, targets.T, strict=True):
        known = ~np.isnan(truth)
        temperature = _temperature(column[known], truth[known])
        chances = probabilities(column[known], (temperature,))
        least = _threshold(chances, truth[known]) if threshold is None else threshold
        pairs.append((temperature, least))
    temperatures, thresholds = zip(*pairs, strict=True)
    return Decision(temperatures, thresholds)


def untaught(decision: Decision, learnt: NDArray[np.float32]) -> Decision:
    """``decision`` without the labels that ``learnt`` [N, L] has no target of."""
    thresholds = np.where(np.isnan(learnt).all(axis=0), NEVER, decision.thresholds)
    return Decision(decision.temperatures, tuple(thresholds.tolist()))


def _temperature(logits: Array, truth: Array) -> float:
    """The temperature of least cross-entropy on a grid; 1 where there is nothing to fit."""
    if not len(truth) or truth.min() == truth.max():
        return 1.0
    scaled = logits[None, :] / _TEMPERATURES[:, None]
    loss = (np.logaddexp(0, scaled) - truth * scaled).mean(axis=1)
    return float(_TEMPERATURES[loss.argmin()])


def _threshold(chances: Array, truth: Array) -> float:
    """Half of the highest F1 on a grid: where chances are right, the best threshold is there.

    The threshold that happens to be best on the few positives of validation texts is an accident,
    and worse on other texts. Source: Lipton et al. 2014, theorem 1.
    """
    if not len(truth) or truth.min() == truth.max():
        return 0.5
    named = chances[None, :] >= _THRESHOLDS[:, None]
    f1 = ratio(2 * (named @ truth), named.sum(axis=1) + truth.sum())
    return float(f1.max()) / 2 or 0.5  # where no chance of a true one reaches the grid


def bins(chances: Array, truth: Array) -> tuple[Array, Array, Array]:
    """Mean probability, share of true ones and count in each of ``BINS`` bins: [BINS] each."""
    place = np.minimum((chances * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS).astype(np.float64)
    mean = ratio(np.bincount(place, chances, BINS), count)
    return mean, ratio(np.bincount(place, truth, BINS), count), count


def expected_calibration_error(chances: Array, truth: Array) -> float:
    """Mean distance of probability and share of true ones. Source: Guo et al. 2017."""
    mean, share, count = bins(chances, truth)
    return float((np.abs(mean - share) * count).sum() / max(count.sum(), 1))
