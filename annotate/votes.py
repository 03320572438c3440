"""Votes: what one annotator said of one utterance, with its provenance. Votes are never edited."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from sad.build.folder import SPANS
from sad.build.frames import write_parquet
from sad.errors import DataError, LabelError
from sad.types import STRATEGY_LABELS

VOTES: dict[str, Any] = {
    "utterance_id": pl.String,
    "annotator": pl.String,
    "kind": pl.String,  # stance or strategies
    "value": pl.List(pl.String),  # ["support"], or strategies in canonical order
    "spans": SPANS,
    "confidence": pl.Float64,
    "source": pl.String,  # one of SOURCES
    "guideline_version": pl.String,
    "model": pl.String,
    "prompt_digest": pl.String,
    "time": pl.Int64,  # seconds; null where a clock would make the bytes differ
}

SOURCES = ("gold", "crowd", "simulated", "llm", "model", "heuristic")
STANCES = ("oppose", "support")
_CLOSED = {"stance": STANCES, "strategies": STRATEGY_LABELS}


def write(votes: pl.DataFrame, path: Path) -> None:
    """Write ``votes`` to ``path``, sorted on utterance, kind and annotator."""
    rows = votes.select(list(VOTES)).sort("utterance_id", "kind", "annotator")
    write_parquet(rows, path)


def read(paths: Iterable[Path]) -> pl.DataFrame:
    """The votes in the Parquet files ``paths``.

    Raises:
        DataError: there is no file, or one is not a vote table.
        LabelError: a vote is outside the closed set of its kind, or cast twice.
    """
    frames = [_read_one(path) for path in paths]
    if not frames:
        raise DataError("votes", "there are none; run: sad annotate label DIR --labeller cues")
    votes = pl.concat(frames)
    twice = votes.filter(pl.struct("utterance_id", "annotator", "kind").is_duplicated())
    if twice.height:
        who, what = twice["annotator"][0], twice["utterance_id"][0]
        raise LabelError("votes", f"{who} voted twice on {what}; give each vote file once")
    return votes


def _read_one(path: Path) -> pl.DataFrame:
    try:
        rows = pl.read_parquet(path, glob=False).select(list(VOTES))
        rows = rows.cast(pl.Schema(VOTES))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(path, f"is not a vote table ({str(error).partition(chr(10))[0]})") from None
    known = pl.concat(
        rows.filter(pl.col("kind") == kind).explode("value").filter(
            pl.col("value").is_null() | ~pl.col("value").is_in(closed)
        )
        for kind, closed in _CLOSED.items()
    )  # fmt: skip
    odd = pl.concat([known, rows.filter(~pl.col("kind").is_in(list(_CLOSED)))
                     .explode("value")])  # fmt: skip
    if odd.height:
        value, kind = odd["value"][0], odd["kind"][0]
        raise LabelError(path, f"{value!r} is no {kind} vote", field=odd["utterance_id"][0])
    return rows
