"""Where a build's threads come from: dumps or a thread folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from sad.build import frames, readers, threads
from sad.build.settings import BuildSettings
from sad.errors import DataError

_ROWS_AT_ONCE = 200_000


class Source(Protocol):
    """Where threads come from: a number of parts, read one by one in any process."""

    def files(self) -> list[Path]:
        """The input files, whose digests go into the manifest."""

    def parts(self) -> int:
        """How many parts there are."""

    def form(self) -> list[str]:
        """Whatever but the bytes of ``files`` decides what the parts hold."""

    def absolute(self) -> Source:
        """The same with whole paths, for workers in other folders."""

    def read(
        self, part: int, settings: BuildSettings, counts: Counter[str]
    ) -> Iterator[pl.DataFrame]:
        """The rows (``threads.ROWS``) of ``part``; ``counts`` gains what was read and left out."""

    def check(self, counts: Counter[str]) -> None:
        """Refuse a source of whose parts ``counts`` was counted, if it cannot be what it should.

        Raises:
            DataError: the files are not what they were given as.
        """

    def counts(self, counts: Counter[str]) -> dict[str, object]:
        """The counts of the stage ``read``."""


@dataclass(frozen=True, slots=True)
class Dumps:
    """Pushshift files, a part each. A comment that no DeltaBot confirms has earned no delta."""

    submissions: tuple[Path, ...]
    comments: tuple[Path, ...]
    allow_truncated: bool = False

    def files(self) -> list[Path]:
        """All dump files; an argument given twice is read once."""
        return [*dict.fromkeys(self.submissions), *dict.fromkeys(self.comments)]

    def parts(self) -> int:
        """The number of files."""
        return len(self.files())

    def form(self) -> list[str]:
        """How many of the files hold submissions, and how damage is taken."""
        n = len(dict.fromkeys(self.submissions))
        return ["dumps", str(n), *(["allow_truncated"] if self.allow_truncated else [])]

    def absolute(self) -> Dumps:
        """The same with whole paths."""
        posts, replies = (
            tuple(path.absolute() for path in paths) for paths in (self.submissions, self.comments)
        )
        return Dumps(posts, replies, self.allow_truncated)

    def read(
        self, part: int, settings: BuildSettings, counts: Counter[str]
    ) -> Iterator[pl.DataFrame]:
        """Parse one file."""
        how = readers.Reading(settings.subreddit, settings.max_line_bytes, self.allow_truncated)
        path = self.files()[part]
        if part < len(dict.fromkeys(self.submissions)):
            for batch in readers.rows(path, readers.SUBMISSION, how, counts):
                counts["submissions"] += batch.height
                counts["written"] += _filled(batch, "title") + _filled(batch, "selftext")
                yield threads.posts(batch)
            return
        for batch in readers.rows(path, readers.COMMENT, how, counts):
            counts["comments"] += batch.height
            counts["linked"] += _filled(batch, "link_id")
            yield threads.replies(batch)

    def check(self, counts: Counter[str]) -> None:
        """Refuse submissions without a title or text, and comments without a link."""
        for paths, what, proof, names in (
            (self.submissions, "submissions", "written", "title or selftext"),
            (self.comments, "comments", "linked", "link_id"),
        ):
            if counts[what] and not counts[proof]:
                message = f"no line has a {names}: is this really a dump of {what}?"
                raise DataError(", ".join(map(str, paths)), message)

    def counts(self, counts: Counter[str]) -> dict[str, object]:
        """Lines seen, kept, and left out for which reason."""
        return {
            "seen": counts["seen"],
            "kept": counts["kept"],
            "dropped": {name: counts[name] for name in readers.LEFT_OUT},
            **{name: counts[name] for name in ("undecodable", "nul", "damaged_files")},
            "submissions": counts["submissions"],
            "comments": counts["comments"],
        }


def _filled(batch: pl.DataFrame, column: str) -> int:
    return batch.height - batch[column].null_count()


@dataclass(frozen=True, slots=True)
class ThreadFolder:
    """A folder made by ``sad import``. Outcomes and stances that its tables state are taken."""

    path: Path

    def files(self) -> list[Path]:
        """The tables."""
        return [self.path / f"{name}.parquet" for name in frames.TABLES]

    def parts(self) -> int:
        """Submissions and comments."""
        return 2

    def form(self) -> list[str]:
        """Nothing else."""
        return ["threads"]

    def absolute(self) -> ThreadFolder:
        """The same with a whole path."""
        return ThreadFolder(self.path.absolute())

    def read(
        self, part: int, settings: BuildSettings, counts: Counter[str]
    ) -> Iterator[pl.DataFrame]:
        """Read a table, with what the other tables state of its rows."""
        name, shape = (("submissions", threads.posts), ("comments", threads.replies))[part]
        told = self._told()
        for batch in frames.read_table(self.path, name, _ROWS_AT_ONCE):
            counts.update({"seen": batch.height, name: batch.height})
            rows = shape(batch.with_columns(delta=pl.lit(None, pl.String), delta_by=pl.lit(None)))
            rows = rows.drop("told_delta", "told_by", "told_stance")
            rows = rows.join(told, on="node_id", how="left", maintain_order="left")
            yield rows.with_columns(pl.col("told_delta").fill_null("unknown")).select(
                list(threads.ROWS)
            )

    def _told(self) -> pl.DataFrame:
        """``node_id`` and what is stated of it: ``told_delta``, ``told_by``, ``told_stance``."""
        outcome = pl.concat(frames.read_table(self.path, "outcome"))
        outcome = outcome.select(
            node_id=threads.prefixed("t1_", "comment_id"),
            told_delta=pl.col("delta").cast(pl.String),
            told_by="by",
        ).unique("node_id", keep="first", maintain_order=True)
        labels = pl.concat(frames.read_table(self.path, "labels"))
        labels = labels.filter(pl.col("stance").is_in([0, 1]))
        labels = labels.unique("utterance_id", keep="first", maintain_order=True)
        labels = labels.select(node_id="utterance_id", told_stance="stance")
        return outcome.join(labels, on="node_id", how="full", coalesce=True)

    def check(self, counts: Counter[str]) -> None:
        """Nothing: the tables were checked as they were read."""

    def counts(self, counts: Counter[str]) -> dict[str, object]:
        """All rows are kept."""
        both = {name: counts[name] for name in ("submissions", "comments")}
        return {"seen": counts["seen"], "kept": counts["seen"], "dropped": {}, **both}


def source_of(
    submissions: list[Path] | None,
    comments: list[Path] | None,
    threads: Path | None,
    *,
    allow_truncated: bool,
) -> Source:
    """The source that a command line names: a thread folder if there is one, else dumps."""
    if threads:
        return ThreadFolder(threads)
    return Dumps(tuple(submissions or ()), tuple(comments or ()), allow_truncated)
