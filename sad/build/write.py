"""The last stage: the tables of the built folder, a file per shard (and split)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl

from sad.build import choose, dialogues, frames, pairs, partition, trees
from sad.build import folder as built
from sad.build.job import Job
from sad.build.split import SPLITS
from sad.build.units import Stage, folder_of, write_counts
from sad.files import move


def stage(job: Job) -> Stage:
    """One unit per shard."""
    return Stage("write", "sad.build.write:make", partition.shards(job))


def make(job: Job, shard: int, folder: Path) -> None:
    """Write the tables of a shard, laid out as in the built folder; and counts."""
    shards = partition.shards(job)
    kept, chosen = trees.read(job, shard, "kept"), choose.of_shard(job, shard)
    found, turns = _dialogues(job, shard, kept, chosen)
    used = np.zeros(kept.height, bool)
    used[turns] = True
    utterances = kept.filter(pl.Series(used)).with_columns(
        strategies=pl.lit(None, built.UTTERANCES["strategies"]),
        strategy_mask=pl.lit(None, pl.UInt8),
        spans=pl.lit(None, built.SPANS),
    )
    matched = pairs.match(utterances, found)
    idle = kept.filter(~pl.Series(used)).select(
        "thread_id", node_id="utterance_id", rule=pl.lit("in_no_dialogue")
    )
    columns = ["node_id", "thread_id", "rule"]
    lost = pl.concat([trees.read(job, shard, "dropped").select(columns), idle.select(columns)])
    lost = lost.sort("thread_id", "node_id", "rule")
    frames.put_parquet(lost, built.record(folder, "dropped", shard))
    by_structure = utterances.select(
        "utterance_id", "stance", "stance_confidence", stance_source="label_source"
    )
    frames.put_parquet(by_structure, built.record(folder, built.STRUCTURE, shard))
    place = built.shard(folder, "utterances", "train", shard, shards)
    frames.put_parquet(utterances.select(list(built.UTTERANCES)), place)
    for name in SPLITS:
        for table, rows in (("dialogues", found), ("pairs", matched)):
            mine = rows.filter(pl.col("split") == name).select(list(built.TABLES[table]))
            place = built.shard(folder, table, name, shard, shards)
            frames.put_parquet(mine.sort(mine.columns[0]), place)
    write_counts(folder, {"utterances": utterances.height, "matched_pairs": matched.height})


def publish(job: Job) -> None:
    """Move the tables of all shards into the built folder; what was moved before stays.

    Raises:
        DataError: a table is missing.
    """
    shards = partition.shards(job)
    move(
        (place(folder_of(job.work, "write", shard)), place(job.out))
        for shard in range(shards)
        for place in _places(shard, shards)
    )


def _places(shard: int, of: int) -> list[Callable[[Path], Path]]:
    """Where in a folder the tables of a shard lie."""
    tables = [("utterances", "train"), *product(("dialogues", "pairs"), SPLITS)]
    return [
        *(partial(built.record, name=name, number=shard) for name in ("dropped", built.STRUCTURE)),
        *(partial(built.shard, table=t, split=s, number=shard, of=of) for t, s in tables),
    ]


def _dialogues(
    job: Job, shard: int, kept: pl.DataFrame, chosen: pl.DataFrame
) -> tuple[pl.DataFrame, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The chosen dialogues, and the rows in ``kept`` of all their turns."""
    facts, threads = trees.read(job, shard, "facts"), trees.read(job, shard, "threads")
    lengths = facts["n_turns"].to_numpy()
    is_chosen = np.zeros(facts.height, bool)
    is_chosen[chosen["row"].to_numpy()] = True
    turns = trees.load(job, shard, "turns")[np.repeat(is_chosen, lengths)].astype(np.int64)
    own = facts[chosen["row"]]
    heads = threads.select("thread_id", "topic")[own["thread"]]
    found = pl.concat([own.select("dialogue_id", "n_turns"), heads, chosen], how="horizontal")
    ids = dialogues.utterance_ids(kept, own["n_turns"].to_numpy(), turns)
    return found.with_columns(utterance_ids=ids), turns
