"""The stage that sees all shards at once: duplicates, topic groups, splits and ranks.

It holds numbers, less than a kilobyte per dialogue at its peak; texts are looked at for candidates
alone, a bounded number at once.
D dialogues in the order of precedence: earlier threads first, then by id.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sad.build import clean, frames, near, partition, split, trees
from sad.build.job import Job
from sad.build.units import Stage, folder_of, write_counts

Rows = NDArray[np.int64]

_KEYS_AT_ONCE = 1 << 24
_PAIRS_AT_ONCE = 100_000  # bounds the texts that are compared at once


def stage(_: Job) -> Stage:
    """A single unit."""
    return Stage("choose", "sad.build.choose:make", 1, wide=True)


def make(job: Job, unit: int, folder: Path) -> None:
    """Write the chosen dialogues of each shard with their split and rank; and counts."""
    threads = _threads(job)
    rows = _facts(job, threads)
    drops = dict.fromkeys(("duplicate_dialogue", "duplicate_target", "near_duplicate_target"), 0)
    if job.settings.dedup:
        rows = _distinct(rows, drops)
        if job.settings.near_duplicates is not None:
            again = _near(job, rows, job.settings.near_duplicates)
            drops["near_duplicate_target"] = int(again.sum())
            rows = rows.filter(~pl.Series(again))
    rows = rows.select("shard", "row", "order", "dialogue", "n_turns")
    used = np.zeros(threads.height, bool)
    used[rows["order"].to_numpy()] = True
    grouped, counts = split.assign(threads.filter(pl.Series(used)), job.settings.split)
    sides = grouped.select("order", "topic_group", "split", "split_time", "posted_utc")
    chosen = rows.join(sides, on="order", how="left", maintain_order="left")
    counts |= split.times(chosen)
    sizes = {name: int((chosen["split"] == name).sum()) for name in split.SPLITS}
    chosen = split.ranked(chosen).select(
        "shard", "row", "topic_group", "split", "split_time", "rank"
    )
    chosen = chosen.sort("shard", "row")
    parts = chosen.partition_by("shard", as_dict=True, include_key=False)
    for shard in range(partition.shards(job)):
        mine = parts.get((shard,), chosen.drop("shard").clear())
        frames.write_ipc(mine, folder / f"{shard:05d}.arrow")
    n_paths = threads["n_paths"].sort(descending=True)
    write_counts(
        folder,
        {
            "dialogues": chosen.height,
            "dropped": drops,
            "most_paths_of_a_tree": max(n_paths, default=0),
            "paths_of_the_top_percent_of_trees": int(n_paths.head(-(-len(n_paths) // 100)).sum()),
            "splits": sizes | counts,
        },
    )


def _threads(job: Job) -> pl.DataFrame:
    """All threads in the order of precedence: ``order``, ``shard``, ``thread``, what they are."""
    tables = []
    for shard in range(partition.shards(job)):
        table = trees.read(job, shard, "threads").with_row_index("thread")
        tables.append(table.with_columns(shard=pl.lit(shard, pl.UInt32)))
    threads = pl.concat(tables).sort("posted_utc", "thread_id", nulls_last=True)
    return threads.with_row_index("order")


def _facts(job: Job, threads: pl.DataFrame) -> pl.DataFrame:
    """The numbers of all dialogues; ``order`` is that of the thread, ``dialogue`` the id."""
    tables = []
    order = threads.select("shard", "thread", "order").partition_by("shard", as_dict=True)
    for shard in range(partition.shards(job)):
        table = trees.read(job, shard, "facts").with_row_index("row")
        known = order.get((shard,), threads.select("thread", "order").clear())
        place = known.sort("thread")["order"]
        tables.append(
            table.select(
                pl.lit(shard, pl.UInt32).alias("shard"),
                "row",
                place.gather(table["thread"]).alias("order"),
                pl.col("dialogue_id").str.to_integer(base=16, dtype=pl.UInt64).alias("dialogue"),
                pl.col("n_turns").cast(pl.UInt32),
                *(name for name in ("text_key", "path_key") if name in table.columns),
            )
        )
    return pl.concat(tables).sort("order", "dialogue")


def _distinct(rows: pl.DataFrame, drops: dict[str, int]) -> pl.DataFrame:
    """``rows`` without repeated dialogues, and without targets that end a dialogue of another tree.

    Dialogues of one tree are never compared by their targets: they share their turns by nature.
    """
    kept = rows.unique("path_key", keep="first", maintain_order=True)
    drops["duplicate_dialogue"] = rows.height - kept.height
    first = kept.unique("text_key", keep="first").select("text_key", first="order")
    both = kept.join(first, on="text_key", how="left", maintain_order="left")
    own = both.filter(pl.col("order") == pl.col("first")).drop("first")
    drops["duplicate_target"] = kept.height - own.height
    return own


def _near(job: Job, rows: pl.DataFrame, threshold: float) -> NDArray[np.bool_]:
    """Whether the target of each dialogue nearly repeats an earlier one of another tree; [D]."""
    thread = rows["order"].to_numpy().astype(np.int64)
    place = _places(rows, partition.shards(job))
    sketch = np.zeros((near.LENGTH, rows.height), np.uint32)
    for shard, (at, row) in enumerate(place):
        sketch[:, at] = trees.load(job, shard, "sketches")[:, row]
    pairs = _candidates(sketch, thread)
    likely = [
        pairs[start : start + _PAIRS_AT_ONCE] for start in range(0, len(pairs), _PAIRS_AT_ONCE)
    ]
    likely = [some[near.likely(sketch, some, threshold)] for some in likely]
    pairs = np.concatenate([pairs[:0], *likely])
    alike = [pairs[:0]]
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = pairs[start : start + _PAIRS_AT_ONCE]
        involved, local = np.unique(some, return_inverse=True)
        texts = _targets(job, place, involved)
        alike.append(some[near.jaccard(texts, local.reshape(some.shape)) >= threshold])
    again = np.zeros(rows.height, bool)
    again[list(near.marked(np.concatenate(alike)))] = True
    return again


def _candidates(sketch: near.Sketches, thread: Rows) -> Rows:
    """The pairs of dialogues whose targets are to be compared; a range of keys at a time."""
    parts = max(1, -(-len(thread) * near.PAIRS // _KEYS_AT_ONCE))
    found = [np.zeros((0, 2), np.int64)]
    for part in range(parts):
        keys, texts = [], []
        for key in near.keys(sketch):
            mine = np.flatnonzero((key >> np.uint64(32)) % np.uint64(parts) == part)
            keys.append(key[mine])
            texts.append(mine)
        found.append(near.candidates(np.concatenate(keys), np.concatenate(texts), thread))
    return near.distinct_pairs(np.concatenate(found))


def _places(rows: pl.DataFrame, shards: int) -> list[tuple[Rows, Rows]]:
    """For each shard the places in ``rows`` that are its own, and their rows in the shard."""
    shard, row = rows["shard"].to_numpy(), rows["row"].to_numpy().astype(np.int64)
    order = np.argsort(shard, kind="stable")
    edges = np.searchsorted(shard[order], np.arange(shards + 1))
    parts = [order[a:b] for a, b in pairwise(edges)]
    return [(at, row[at]) for at in parts]


def _targets(job: Job, place: list[tuple[Rows, Rows]], involved: Rows) -> pl.Series:
    """The target texts (normal) of the dialogues ``involved`` (ascending)."""
    texts: list[pl.Series] = []
    whose: list[Rows] = []
    for shard, (at, row) in enumerate(place):
        mine = np.isin(at, involved)
        if mine.any():
            leaf = trees.load(job, shard, "leaves")[row[mine]]
            column = pl.scan_ipc(trees.path(job, shard, "kept.arrow"), glob=False).select("text")
            found = column.collect().to_series().gather(pl.Series(leaf))
            texts.append(found + "")  # a copy: else each keeps all texts of its shard in memory
            whose.append(at[mine])
    order = np.argsort(np.concatenate(whose))
    ordered = pl.concat(texts).gather(pl.Series(order)).to_frame("text")
    return ordered.select(clean.normal(pl.col("text"))).to_series()


def of_shard(job: Job, shard: int) -> pl.DataFrame:
    """The chosen dialogues of ``shard``: row, topic_group, split, split_time, rank."""
    return pl.read_ipc(folder_of(job.work, "choose", 0) / f"{shard:05d}.arrow")
