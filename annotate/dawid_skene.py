"""Dawid-Skene for one binary label: who is how reliable, and how likely each item bears the label.

Expectation maximisation with a sensitivity and a specificity per annotator; missing votes allowed.
Source: Dawid and Skene 1979; specification 11.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotate.ballots import Array, Indices

ROUNDS = 100
TOLERANCE = 1e-6
"""Of the log-likelihood between two rounds. Source: specification 11.4."""
_TINY = 1e-12  # keeps logarithms finite where smoothing is off


@dataclass(frozen=True, slots=True)
class Fit:
    """What was found: P(label) per item [N], two rates per annotator [R], and the prior."""

    posterior: Array
    sensitivity: Array
    specificity: Array
    prior: float
    rounds: int
    log_likelihood: float


def fit(
    items: Indices,
    raters: Indices,
    named: NDArray[np.bool_],
    *,
    smoothing: float = 1.0,
    rounds: int = ROUNDS,
    tolerance: float = TOLERANCE,
) -> Fit:
    """Fit the model to V votes, starting from the share of votes that name the label.

    Args:
        items: [V], 0 to N - 1; every item has a vote.
        raters: [V], 0 to R - 1.
        named: [V], whether the vote names the label.
        smoothing: added to both counts of every rate: the mode under a Beta prior.
        rounds: at most so many.
        tolerance: stop when the log-likelihood moves less.
    """
    votes = named.astype(np.float64)
    n, per_rater = int(items.max()) + 1, np.bincount(raters).astype(np.float64)
    posterior = _sums(items, votes, n) / np.bincount(items, minlength=n)
    likelihoods = [-np.inf]
    while len(likelihoods) <= rounds:
        prior, sensitivity, specificity = _rates(
            posterior, items, raters, votes, per_rater, smoothing
        )
        posterior, likelihood = _expect(prior, sensitivity, specificity, items, raters, votes, n)
        likelihoods.append(likelihood)
        if abs(likelihood - likelihoods[-2]) < tolerance:
            break
    return Fit(posterior, sensitivity, specificity, prior, len(likelihoods) - 1, likelihood)


def _rates(
    posterior: Array,
    items: Indices,
    raters: Indices,
    votes: Array,
    per_rater: Array,
    smoothing: float,
) -> tuple[float, Array, Array]:
    """The prior, and sensitivity and specificity per annotator, that the posterior makes likely."""
    n_raters = len(per_rater)
    weight = posterior[items]
    positives = _sums(raters, weight, n_raters)
    hits = _sums(raters, weight * votes, n_raters)
    named = _sums(raters, votes, n_raters)
    negatives = per_rater - positives
    rejections = negatives - (named - hits)
    prior = float((posterior.sum() + smoothing) / (len(posterior) + 2 * smoothing))
    return prior, _rate(hits, positives, smoothing), _rate(rejections, negatives, smoothing)


def _rate(right: Array, all_: Array, smoothing: float) -> Array:
    return np.clip((right + smoothing) / np.maximum(all_ + 2 * smoothing, _TINY), 0.0, 1.0)


def _expect(
    prior: float,
    sensitivity: Array,
    specificity: Array,
    items: Indices,
    raters: Indices,
    votes: Array,
    n: int,
) -> tuple[Array, float]:
    """P(label) per item, and the log-likelihood of all votes."""
    # A vote adds log(rate if named) or log(1 - rate): a base per rater and a step if named.
    yes, no = _log(prior), _log(1 - prior)
    base_yes, base_no = _log(1 - sensitivity), _log(specificity)
    step_yes, step_no = _log(sensitivity) - base_yes, _log(1 - specificity) - base_no
    log_yes = yes + _sums(items, base_yes[raters] + step_yes[raters] * votes, n)
    log_no = no + _sums(items, base_no[raters] + step_no[raters] * votes, n)
    total = np.logaddexp(log_yes, log_no)
    return np.exp(log_yes - total), float(total.sum())


def _sums(places: Indices, weights: Array, n: int) -> Array:
    return np.bincount(places, weights, n).astype(np.float64)


def _log(rate: Array | float) -> Array:
    return np.asarray(np.log(np.maximum(rate, _TINY)), np.float64)
