"""Votes as arrays: what aggregation and agreement compute with.

V is the number of votes, N of items, R of annotators, L of labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sad.errors import LabelError
from sad.types import STRATEGY_LABELS

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

LABELS = {"strategies": STRATEGY_LABELS, "stance": ("support",)}
"""Per kind of vote the labels that a vote names or does not name."""


@dataclass(frozen=True, slots=True)
class Ballots:
    """The votes of one kind: vote v of annotator ``raters[v]`` on item ``items[v]``.

    They are sorted on item and annotator, so that no result depends on the order of the rows.
    """

    items: Indices  # [V]
    raters: Indices  # [V]
    named: NDArray[np.bool_]  # [V, L]
    item_names: pl.Series  # [N], sorted
    rater_names: pl.Series  # [R], sorted
    labels: tuple[str, ...]  # [L]

    @property
    def n_items(self) -> int:
        """N."""
        return len(self.item_names)

    @property
    def n_raters(self) -> int:
        """R."""
        return len(self.rater_names)

    def masks(self) -> Indices:
        """The label set of each vote as a number, bit l for label l: [V]."""
        return np.asarray(self.named @ (1 << np.arange(len(self.labels))), np.int64)

    def per_item(self, weights: Any = None) -> Array:
        """The sum of ``weights`` [V] (default: 1 per vote) over the votes of each item: [N]."""
        return np.bincount(self.items, weights, self.n_items).astype(np.float64)

    def shares(self, weights: Array | None = None) -> Array:
        """The share of its votes, weighted by ``weights`` [V], that name each label: [N, L]."""
        cast = np.ones(len(self.items)) if weights is None else weights
        total = self.per_item(cast)
        named = [self.per_item(cast * column) for column in self.named.T]
        return np.stack(named, axis=1) / np.where(total > 0, total, 1.0)[:, None]


def cast(votes: pl.DataFrame, kind: str) -> Ballots:
    """The ballots of ``kind`` in ``votes`` (``annotate.votes.VOTES``); "unclear" is no vote.

    Raises:
        LabelError: somebody voted twice on an item.
    """
    labels = LABELS[kind]
    rows = votes.filter(pl.col("kind") == kind, ~pl.col("value").list.contains("unclear"))
    items, item_names = numbered(rows["utterance_id"])
    raters, rater_names = numbered(rows["annotator"])
    columns = [rows["value"].list.contains(label).to_numpy() for label in labels]
    named = np.stack(columns, axis=1).astype(np.bool_)
    order = np.lexsort((raters, items))
    items, raters, named = items[order], raters[order], named[order]
    again = np.flatnonzero((np.diff(items) == 0) & (np.diff(raters) == 0))
    if len(again):
        who, what = rater_names[int(raters[again[0]])], item_names[int(items[again[0]])]
        raise LabelError("votes", f"{who} voted twice on {what}; keep one of the votes")
    return Ballots(items, raters, named, item_names, rater_names, labels)


def numbered(column: pl.Series) -> tuple[Indices, pl.Series]:
    """The place of each value among the sorted distinct ones, and those."""
    names = column.unique().sort()
    places = column.cast(pl.Enum(names)).to_physical()
    return places.to_numpy().astype(np.int64), names
