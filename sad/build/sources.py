"""Where a build's threads come from: dumps or a thread folder."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from sad.build import frames, readers
from sad.build.settings import BuildSettings


class Source(Protocol):
    """Where threads come from."""

    def files(self) -> list[Path]:
        """The input files, whose digests go into the manifest."""

    def read(self, settings: BuildSettings) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
        """The tables of ``frames.TABLES`` and the counts of the stage ``read``."""


@dataclass(frozen=True, slots=True)
class Dumps:
    """Pushshift files. A comment that no DeltaBot confirms has earned no delta."""

    submissions: tuple[Path, ...]
    comments: tuple[Path, ...]
    allow_truncated: bool = False

    def files(self) -> list[Path]:
        """All dump files."""
        return [*self.submissions, *self.comments]

    def read(self, settings: BuildSettings) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
        """Parse the dumps; duplicated arguments are read once."""
        counts: Counter[str] = Counter()
        how = readers.Reading(settings.subreddit, settings.max_line_bytes, self.allow_truncated)
        posts = readers.submissions(dict.fromkeys(self.submissions), how, counts)
        replies = readers.comments(dict.fromkeys(self.comments), how, counts)
        tables = {"submissions": posts, "comments": replies, "outcome": _stated_outcome(replies)}
        return tables, {
            "seen": counts["seen"],
            "kept": counts["kept"],
            "dropped": {name: counts[name] for name in readers.LEFT_OUT},
            **{name: counts[name] for name in ("undecodable", "nul", "damaged_files")},
            "submissions": posts.height,
            "comments": replies.height,
        }


def _stated_outcome(comments: pl.DataFrame) -> pl.DataFrame:
    """``frames.OUTCOME`` from the fields of ours; without them nobody awarded a delta."""
    # Of a comment met twice the last row that states anything counts, whatever the order of files.
    rows = comments.with_columns(stated=pl.col("delta").is_not_null())
    rows = rows.sort("id", "stated", "retrieved_on", "delta", "delta_by", nulls_last=False)
    rows = rows.unique("id", keep="last", maintain_order=True)
    said = pl.col("delta").fill_null("false")
    known = pl.when(said != "unknown").then(said == "true")
    return rows.select(comment_id="id", delta=known, by="delta_by").drop_nulls("delta")


@dataclass(frozen=True, slots=True)
class ThreadFolder:
    """A folder made by ``sad import``. Outcomes and stances that its tables state are taken."""

    path: Path

    def files(self) -> list[Path]:
        """The tables."""
        return [self.path / f"{name}.parquet" for name in frames.TABLES]

    def read(self, settings: BuildSettings) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
        """Read the tables."""
        tables = frames.read_threads(self.path)
        posts, replies = tables["submissions"].height, tables["comments"].height
        seen = posts + replies
        return tables, {
            "seen": seen, "kept": seen, "dropped": {}, "submissions": posts, "comments": replies
        }  # fmt: skip
