"""How strategies and stances are used, over distinct utterances.

Counting over dialogues would count early turns once per leaf below them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sad.build import folder as built
from sad.types import STANCE_LABELS, STRATEGY_LABELS


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts over the labelled utterances of a folder."""

    n: int
    labels: dict[str, int]
    masks: dict[int, int]
    stances: dict[str, int]
    sources: dict[str, int]


def strategies(folder: Path) -> Usage | None:
    """The label statistics of ``folder``; None if it is not labelled yet."""
    rows = built.read(
        folder, "utterances", columns=["strategy_mask", "stance", "label_source"],
        where=pl.col("strategies").is_not_null(),
    )  # fmt: skip
    if rows.is_empty():
        return None
    masks = rows["strategy_mask"]
    labels = {
        label: int(((masks & (1 << bit)) > 0).sum()) for bit, label in enumerate(STRATEGY_LABELS)
    }
    stance = rows["stance"].replace_strict(dict(enumerate(STANCE_LABELS)), return_dtype=pl.String)
    return Usage(
        n=rows.height,
        labels=labels,
        masks=_counted(masks),
        stances=_counted(stance),
        sources=_counted(rows["label_source"]),
    )


def _counted(column: pl.Series) -> dict:  # type: ignore[type-arg]
    return dict(column.value_counts().sort(column.name).iter_rows())
