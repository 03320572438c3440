"""Splits: by topic group, so that no text and no topic is on two sides; and by time."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import polars as pl

from sad.build import topics
from sad.build.settings import Split

SPLITS = ("train", "validation", "test")


def assign(
    dialogues: pl.DataFrame, posted: pl.DataFrame, settings: Split
) -> tuple[pl.DataFrame, dict[str, int]]:
    """``dialogues`` with ``topic_group``, ``split``, ``split_time`` and ``rank``; and counts.

    Threads whose titles say nearly the same form a topic group (``topics.group``; earlier threads
    take precedence). The split of a group is decided by a hash of its first title alone.
    ``split_time`` is ``test`` from ``settings.time_cut`` on; the earlier threads of a group that
    crosses the cut, and threads without a time, have none.

    Counted: ``topic_groups``, ``largest_topic_group`` (threads), ``near_titles_apart`` (pairs of
    near titles in different groups), and the dialogues of ``split_time``: ``time_train``,
    ``time_test``, ``time_crossing`` (dropped from its train side), ``time_unknown``.

    Args:
        dialogues: with ``thread_id`` and ``topic``.
        posted: ``thread_id``, ``posted_utc`` (seconds or null).
        settings: shares, salt, similarity and time cut.
    """
    threads = dialogues.select("thread_id", "topic").unique().join(posted, on="thread_id")
    threads = threads.sort("posted_utc", "thread_id", nulls_last=True)
    # The cleaned title decides, whatever the rule set, so that a thread never changes its split.
    normal = threads.select(topics.normal(pl.col("topic"))).to_series()
    leader, apart = topics.group(normal, settings.topic_similarity)
    name = pl.when(normal == "").then(threads["thread_id"]).otherwise(normal)
    keys = threads.select(name=name).to_series().gather(leader)
    groups = pl.DataFrame({"key": keys.unique().sort()})
    digests = [hashlib.sha256(text.encode()).hexdigest()[:12] for text in groups["key"]]
    groups = groups.with_columns(
        topic_group=pl.Series(digests, dtype=pl.String),
        split=pl.Series([split_of(digest, settings) for digest in digests], dtype=pl.String),
    )
    threads = threads.with_columns(key=keys).join(groups, on="key", maintain_order="left")
    threads = threads.with_columns(split_time=_by_time(settings))
    found = threads.select("thread_id", "topic_group", "split", "split_time", "posted_utc")
    whole = dialogues.join(found, on="thread_id", how="left", maintain_order="left")
    sizes = threads["topic_group"].value_counts()["count"]
    counts = {"topic_groups": len(sizes), "largest_topic_group": max(sizes, default=0)}
    counts |= {"near_titles_apart": apart} | _times(whole)
    return ranked(whole.drop("posted_utc")), counts


def _times(dialogues: pl.DataFrame) -> dict[str, int]:
    side, untimed = pl.col("split_time"), pl.col("posted_utc").is_null()
    counted = dialogues.select(
        time_train=(side == "train").sum(),
        time_test=(side == "test").sum(),
        time_crossing=(side.is_null() & ~untimed).sum(),
        time_unknown=untimed.sum(),
    )
    return {name: int(n) for name, n in counted.row(0, named=True).items()}


def ranked(dialogues: pl.DataFrame) -> pl.DataFrame:
    """``dialogues`` with ``rank``: the first n of a split by rank are its fixed subset of n.

    Every such subset holds the numbers of turns (2, 3, 4, 5 and more) in the proportions of the
    split, and as many trees as it can: within a number of turns, the first dialogues of all
    trees come before their second ones. The order is otherwise that of the id, which is a hash.
    """
    rows = dialogues.with_columns(turns=pl.col("n_turns").clip(upper_bound=5))
    stratum = ["split", "turns"]
    nth = pl.col("dialogue_id").rank("ordinal").over([*stratum, "thread_id"])
    rows = rows.with_columns(nth=nth).sort(*stratum, "nth", "dialogue_id")
    place = (pl.int_range(pl.len()).over(stratum) + 0.5) / pl.len().over(stratum)
    rows = rows.with_columns(place=place).sort("split", "place", "dialogue_id")
    rows = rows.with_columns(rank=pl.int_range(pl.len(), dtype=pl.Int64).over("split"))
    return rows.drop("turns", "nth", "place").sort("dialogue_id")


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
