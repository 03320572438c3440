"""Ways to turn votes into one score per item and label; above one half the label is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotate import dawid_skene as ds
from annotate.ballots import Array, Ballots
from sad.errors import MissingExtraError


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores [N, L] in 0 to 1, and what was learnt of the annotators: {annotator: {label: ...}}."""

    scores: Array
    annotators: dict[str, dict[str, Any]] = field(default_factory=dict)


Method = Callable[[Ballots, Mapping[str, float]], Scored]
"""From ballots and weights given to annotators, which only ``weighted`` heeds."""


def majority(ballots: Ballots, _: Mapping[str, float]) -> Scored:
    """Each label that more than half of the votes name."""
    return Scored(ballots.shares())


def union(ballots: Ballots, _: Mapping[str, float]) -> Scored:
    """Each label that any vote names."""
    return Scored((ballots.shares() > 0).astype(np.float64))


def intersection(ballots: Ballots, _: Mapping[str, float]) -> Scored:
    """Each label that all votes name."""
    shares = ballots.shares()
    return Scored(np.where(shares == 1.0, 1.0, shares / 2))


def weighted(ballots: Ballots, weights: Mapping[str, float]) -> Scored:
    """Each label that more than half of the weight names.

    Weights that are not given are the annotator's share of decisions that agree with the majority.
    Where nobody who voted has any weight, all count the same.
    """
    names = ballots.rater_names.to_list()
    agrees = (ballots.named == (ballots.shares() > 0.5)[ballots.items]).mean(axis=1)
    share = np.bincount(ballots.raters, agrees) / np.bincount(ballots.raters)
    each = np.array([weights.get(name, share[i]) for i, name in enumerate(names)])
    told = {name: {"weight": round(float(each[i]), 6)} for i, name in enumerate(names)}
    cast = each[ballots.raters]
    cast = np.where(ballots.per_item(cast)[ballots.items] > 0, cast, 1.0)
    return Scored(ballots.shares(cast), told)


def dawid_skene(ballots: Ballots, _: Mapping[str, float]) -> Scored:
    """The posterior of each label under Dawid and Skene's model, label by label."""
    fits = [ds.fit(ballots.items, ballots.raters, column) for column in ballots.named.T]
    told: dict[str, dict[str, Any]] = {name: {} for name in ballots.rater_names}
    for label, fit in zip(ballots.labels, fits, strict=True):
        for place, name in enumerate(told):
            told[name][label] = {
                "sensitivity": round(float(fit.sensitivity[place]), 6),
                "specificity": round(float(fit.specificity[place]), 6),
            }
    return Scored(np.stack([fit.posterior for fit in fits], axis=1), told)


RESTARTS, ROUNDS = 10, 50
"""Of MACE. Source: Hovy et al. 2013, section 3."""


def mace(ballots: Ballots, _: Mapping[str, float]) -> Scored:
    """The posterior of each label under MACE (Hovy et al. 2013), by crowd-kit."""
    return Scored(np.stack([_mace(ballots, column) for column in ballots.named.T], axis=1))


def _mace(ballots: Ballots, named: NDArray[np.bool_]) -> Array:
    """P(label) per item: [N]."""
    try:
        import pandas as pd
        from crowdkit.aggregation import MACE
    except ImportError:
        raise MissingExtraError("labels", "crowd-kit") from None
    # A second value that nobody gives would be invented as likely: one value needs no model.
    if named.all() or not named.any():
        return ballots.per_item(named) / ballots.per_item()
    # crowd-kit numbers workers and labels as they come, but sums them up in sorted order: they are
    # named so that both are the same.
    other = named != named[0]
    worker = pd.factorize(ballots.raters)[0]
    table = pd.DataFrame({"task": ballots.items, "worker": worker, "label": other})
    # With a number as its seed, every restart would be the same.
    source: Any = np.random.RandomState(0)
    model = MACE(n_restarts=RESTARTS, n_iter=ROUNDS, random_state=source)
    found = model.fit_predict_proba(table).reindex(range(ballots.n_items))
    return np.asarray(found[not named[0]], np.float64)


def unanimous(ballots: Ballots, _: Mapping[str, float]) -> Scored:
    """The side that all votes take; undecided where they differ."""
    shares = ballots.shares()
    return Scored(np.where((shares == 0.0) | (shares == 1.0), shares, 0.5))


OF_STANCES: dict[str, Method] = {"union": majority, "intersection": unanimous}
"""What a method of sets is for two sides."""

METHODS: dict[str, Method] = {
    "majority": majority,
    "union": union,
    "intersection": intersection,
    "weighted": weighted,
    "dawid-skene": dawid_skene,
    "mace": mace,
}
