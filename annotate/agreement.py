"""How far annotators agree: per strategy, on stances, on whole sets, and pair by pair.

N is the number of items with two votes or more, C of values, K of statistics, T of trees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from annotate.ballots import LABELS, Array, Ballots, Indices, cast, numbered
from sad.errors import DataError
from sad.metrics import agreement as metrics
from sad.metrics.intervals import RESAMPLES, SEED, Interval, Reduce, bounds, per_tree, resampled
from sad.metrics.multilabel import ratio

SETS = "sets"
"""The subject of whole label sets; the others are the strategies and ``stance``."""

Distances = dict[str, Array]
"""Per name of an alpha, its distance between values [C, C]."""


@dataclass(frozen=True, slots=True)
class Score:
    """One measure of one subject; no interval where no item has two votes: not available.

    ``kappa`` and the alphas are 1 for full agreement and 0 for chance, ``raw`` is the share of
    agreeing pairs of votes, ``entropy`` the mean entropy of the votes on an item in bits.
    """

    subject: str
    metric: str
    n_annotators: int  # of whom a vote counts
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Raw agreement and Cohen's kappa of two annotators over the items that both voted on."""

    subject: str
    first: str
    second: str
    n: int
    raw: float
    kappa: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """All scores, and all pairs of annotators that share an item."""

    scores: tuple[Score, ...]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class _Subject:
    """What the votes say of one subject: ``values`` [V], each 0 to C - 1."""

    name: str
    values: Indices
    n_values: int
    distances: Distances


def report(
    votes: pl.DataFrame,
    trees: pl.DataFrame | Mapping[str, str] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Agreement:
    """The agreement of ``votes``, with 95 % intervals over trees.

    Missing votes are allowed; "unclear" is one. Kinds that nobody voted on are left out.

    Args:
        votes: ``annotate.votes.VOTES``.
        trees: ``utterance_id`` and ``thread_id``, or from one to the other; None: every utterance
            is its own tree.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        DataError: there are no votes, or one is on an utterance of no tree.
        LabelError: somebody voted twice on an utterance.
    """
    scores: list[Score] = []
    pairs: list[Pair] = []
    for kind in LABELS:
        if not (votes["kind"] == kind).any():
            continue
        ballots = _contested(cast(votes, kind))
        subjects = list(_subjects(kind, ballots))
        scores += _scores(ballots, subjects, trees, resamples, seed)
        pairs += _pairs(ballots, subjects)
    if not scores:
        raise DataError("votes", "there are none to compare")
    return Agreement(tuple(scores), tuple(pairs))


def _contested(ballots: Ballots) -> Ballots:
    """The ballots on items with two votes or more."""
    several = ballots.per_item() > 1
    kept = several[ballots.items]
    raters, rater_places = np.unique(ballots.raters[kept], return_inverse=True)
    return Ballots(
        items=(np.cumsum(several) - 1)[ballots.items[kept]],
        raters=rater_places,
        named=ballots.named[kept],
        item_names=ballots.item_names.filter(pl.Series(several)),
        rater_names=ballots.rater_names.gather(raters),
        labels=ballots.labels,
    )


def _subjects(kind: str, ballots: Ballots) -> Iterator[_Subject]:
    """Each label of ``kind`` and, where there are several, their sets."""
    binary = {"alpha": metrics.nominal(2)}
    if kind == "stance":
        yield _Subject(kind, ballots.masks(), 2, binary)
        return
    for label, named in zip(ballots.labels, ballots.named.T, strict=True):
        yield _Subject(label, named.astype(np.int64), 2, binary)
    n_labels = len(ballots.labels)
    distances = {
        "alpha": metrics.nominal(2**n_labels),
        "alpha_jaccard": metrics.jaccard_distance(n_labels),
        "alpha_masi": metrics.masi_distance(n_labels),
    }
    yield _Subject(SETS, ballots.masks(), 2**n_labels, distances)


def _scores(
    ballots: Ballots,
    subjects: list[_Subject],
    trees: pl.DataFrame | Mapping[str, str] | None,
    resamples: int,
    seed: int,
) -> list[Score]:
    """Every measure of ``subjects``."""
    if not ballots.n_items:
        found = ((subject.name, metric) for subject in subjects for metric in _measures(subject))
        return [Score(name, metric, ballots.n_raters, None) for name, metric in found]
    places, n_trees = _places(ballots.item_names, trees)
    basis = (ballots.n_items, n_trees, resamples, seed)
    scores = []
    for subject in subjects:
        sums = per_tree(_statistics(ballots, subject), places, n_trees)
        drawn = resampled(sums, resamples, seed) if n_trees > 1 else None
        for metric, reduce in _measures(subject).items():
            value = float(reduce(sums.sum(axis=0)))
            low, high = (None, None) if drawn is None else bounds(reduce, drawn)
            interval = Interval(value, low, high, *basis)
            scores.append(Score(subject.name, metric, ballots.n_raters, interval))
    return scores


def _places(
    items: pl.Series, trees: pl.DataFrame | Mapping[str, str] | None
) -> tuple[Indices, int]:
    """The tree of each item, 0 to T - 1, and T."""
    if trees is None:
        return np.arange(len(items)), len(items)
    if not isinstance(trees, pl.DataFrame):
        trees = pl.DataFrame({"utterance_id": list(trees), "thread_id": list(trees.values())})
    known = trees.select("utterance_id", "thread_id").unique()
    rows = pl.DataFrame({"utterance_id": items}).join(
        known, on="utterance_id", how="left", maintain_order="left"
    )
    if len(lost := rows.filter(pl.col("thread_id").is_null())):
        raise DataError("votes", f"{len(lost)} utterances have no tree", field=lost.item(0, 0))
    places, names = numbered(rows["thread_id"])
    return places, len(names)


def _statistics(ballots: Ballots, subject: _Subject) -> Array:
    """Additive statistics per item: 1, agreeing, entropy, one per distance, counts: [N, K]."""
    table = metrics.tally(ballots.items, subject.values, ballots.n_items, subject.n_values)
    shared = metrics.pairs(table)[:, :2]
    within = [metrics.disagreements(table, each)[:, 0] for each in subject.distances.values()]
    return np.column_stack([shared, metrics.entropy(table), *within, table])


def _measures(subject: _Subject) -> dict[str, Reduce]:
    """From summed ``_statistics`` [..., K] to each measure [...]."""
    first = 3 + len(subject.distances)
    counts = list(range(first, first + subject.n_values))
    found: dict[str, Reduce] = {"kappa": lambda s: metrics.kappa(s[..., [0, 1, *counts]])}
    for place, (name, distance) in enumerate(subject.distances.items(), 3):
        found[name] = partial(_alpha, columns=[place, *counts], distance=distance)
    found["raw"] = metrics.raw
    found["entropy"] = lambda s: ratio(s[..., 2], s[..., 0])
    return found


def _alpha(summed: Array, columns: list[int], distance: Array) -> Array:
    return metrics.alpha(summed[..., columns], distance)


def _pairs(ballots: Ballots, subjects: list[_Subject]) -> list[Pair]:
    """Every pair of annotators that share an item, per subject."""
    first, second = _meetings(ballots.items)
    codes = ballots.raters[first] * ballots.n_raters + ballots.raters[second]
    pairs, places = np.unique(codes, return_inverse=True)
    names = ballots.rater_names.to_list()
    who = [(names[code // ballots.n_raters], names[code % ballots.n_raters]) for code in pairs]
    found = []
    for subject in subjects:
        measured = metrics.cohen(
            places, subject.values[first], subject.values[second], len(pairs), subject.n_values
        )
        for (one, other), n, raw, kappa in zip(who, *measured, strict=True):
            found.append(Pair(subject.name, one, other, int(n), float(raw), float(kappa)))
    return found


def _meetings(items: Indices) -> tuple[Indices, Indices]:
    """Every two votes on the same item, the earlier first; ``items`` is sorted."""
    first, second = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    most = int(np.bincount(items).max(initial=0))
    for distance in range(1, most):
        met = np.flatnonzero(items[distance:] == items[:-distance])
        first.append(met)
        second.append(met + distance)
    return np.concatenate(first), np.concatenate(second)
