"""Splits: by topic group, so that no text and no topic is on two sides; and by time."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import numpy as np
import polars as pl

from sad.build import topics
from sad.build.settings import Split

SPLITS = ("train", "validation", "test")
_NUMBER = {name: number for number, name in enumerate(SPLITS)}


def assign(threads: pl.DataFrame, settings: Split) -> tuple[pl.DataFrame, dict[str, int]]:
    """``threads`` with ``topic_group``, ``split`` and ``split_time``; and counts.

    Threads whose titles say nearly the same form a topic group (``topics.group``; earlier threads
    take precedence). The split of a group is decided by a hash of its first title alone.
    ``split_time`` is ``test`` from ``settings.time_cut`` on; the earlier threads of a group that
    crosses the cut, and threads without a time, have none.

    Counted: ``topic_groups``, ``largest_topic_group`` (threads), ``near_titles_apart`` (pairs of
    near titles in different groups).

    Args:
        threads: ``thread_id``, ``topic``, ``posted_utc`` (seconds or null), in the order of
            precedence.
        settings: shares, salt, similarity and time cut.
    """
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
    threads = threads.with_columns(split_time=_by_time(settings)).drop("key")
    sizes = threads["topic_group"].value_counts()["count"]
    counts = {"topic_groups": len(sizes), "largest_topic_group": max(sizes, default=0)}
    return threads, counts | {"near_titles_apart": apart}


def times(dialogues: pl.DataFrame) -> dict[str, int]:
    """How many dialogues ``split_time`` has on each side, and how many it leaves out.

    ``time_train``, ``time_test``, ``time_crossing`` (dropped from the train side), and
    ``time_unknown``.
    """
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

    Args:
        dialogues: with ``split``, ``n_turns``, ``order`` (a number per tree) and ``dialogue`` (the
            id as a number).
    """
    rows = dialogues.with_columns(turns=pl.col("n_turns").clip(upper_bound=5).cast(pl.UInt8))
    rows = rows.with_columns(side=pl.col("split").replace_strict(_NUMBER, return_dtype=pl.UInt8))
    rows = rows.sort("side", "turns", "order", "dialogue")
    tree = pl.struct("side", "turns", "order").rle_id()
    rows = rows.with_columns(nth=_within(rows.select(tree).to_series()))
    rows = rows.sort("side", "turns", "nth", "dialogue")
    stratum = rows.select(pl.struct("side", "turns").rle_id()).to_series()
    size = stratum.rle().struct.field("len").gather(stratum)
    rows = rows.with_columns(place=(_within(stratum) + 0.5) / size)
    rows = rows.sort("side", "place", "dialogue")
    return rows.with_columns(rank=_within(rows["side"].rle_id())).drop(
        "turns", "side", "nth", "place"
    )


def _within(run: pl.Series) -> pl.Series:
    """The place of each row within its run of equal numbers, from 0."""
    numbers = run.to_numpy()
    return pl.Series(np.arange(len(run)) - np.searchsorted(numbers, numbers), dtype=pl.Int64)


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
