"""Splits: by topic group, so that no text and no topic is on two sides; and by time."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import polars as pl

from sad.build import clean
from sad.build.settings import Split

SPLITS = ("train", "validation", "test")


def assign(dialogues: pl.DataFrame, posted: pl.DataFrame, settings: Split) -> pl.DataFrame:
    """``dialogues`` with ``topic_group``, ``split`` and ``split_time``.

    Threads whose topics are equal but for case and punctuation form a topic group. The split of a
    group is decided by a hash of its topic alone, so it survives any change of the input.
    ``split_time`` is ``test`` from ``settings.time_cut`` on; the earlier threads of a group that
    crosses the cut, and threads without a time, have none.

    Args:
        dialogues: with ``thread_id`` and ``topic``.
        posted: ``thread_id``, ``posted_utc`` (seconds or null).
        settings: shares, salt and time cut.
    """
    threads = dialogues.select("thread_id", "topic").unique().join(posted, on="thread_id")
    # The cleaned title decides, whatever the rule set, so that a thread never changes its split.
    normal = (
        clean.topic(pl.col("topic"))
        .str.to_lowercase()
        .str.replace_all(r"[\W_]+", " ")
        .str.strip_chars()
    )
    normal = pl.when(normal == "").then("thread_id").otherwise(normal)
    threads = threads.with_columns(normal=normal)
    groups = threads.select(pl.col("normal").unique().sort())
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in groups["normal"]]
    groups = groups.with_columns(
        topic_group=pl.Series([d[:12] for d in digests], dtype=pl.String),
        split=pl.Series([split_of(d[:12], settings) for d in digests], dtype=pl.String),
    )
    threads = threads.join(groups, on="normal").with_columns(split_time=_by_time(settings))
    found = threads.select("thread_id", "topic_group", "split", "split_time")
    return dialogues.join(found, on="thread_id", how="left", maintain_order="left")


def split_of(topic_group: str, settings: Split) -> str:
    """The split of a topic group: its salted SHA-256 as a number in [0, 1), cut at the shares."""
    digest = hashlib.sha256(f"{settings.salt}:{topic_group}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64
    if place < settings.train:
        return "train"
    return "validation" if place < settings.train + settings.validation else "test"


def _by_time(settings: Split) -> pl.Expr:
    if settings.time_cut is None:
        return pl.lit(None, pl.String)
    start = datetime(*settings.time_cut.timetuple()[:3], tzinfo=UTC)
    late = pl.col("posted_utc") >= int(start.timestamp())
    crosses = late.any().over("topic_group")
    return pl.when(late).then(pl.lit("test")).when(late.not_() & ~crosses).then(pl.lit("train"))
