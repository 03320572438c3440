"""Probabilities for rules: how often a label is right when its rule fires, and when it does not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from annotate.labeller import Item, Labeller
from sad.types import Strategy


def measured(
    labeller: Labeller, gold: Iterable[dict[str, Any]]
) -> dict[Strategy, tuple[float, float]]:
    """P(label | fired) and P(label | not fired) per strategy, with one added to each count.

    Args:
        labeller: whose label sets are compared.
        gold: records with ``id``, ``text`` and ``strategies``.
    """
    records = list(gold)
    found = labeller.label([Item(record["id"], record["text"]) for record in records])
    counts = {strategy: [[1, 2], [1, 2]] for strategy in Strategy}  # [right, all] if fired, if not
    for record, label in zip(records, found, strict=True):
        truth = Strategy.from_labels(record["strategies"])
        for strategy, pair in counts.items():
            cell = pair[0 if strategy in label.strategies else 1]
            cell[0] += strategy in truth
            cell[1] += 1
    return {s: (fired[0] / fired[1], not_[0] / not_[1]) for s, (fired, not_) in counts.items()}
