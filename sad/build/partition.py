"""The first stages: lines become rows, and rows meet the others of their thread.

``read`` writes the rows of a part in files of about ``FILE_BYTES``, sorted by bucket, a number that
all rows of a thread share. ``plan`` counts them, cuts the buckets into shards of about
``shard_rows`` rows, and finds the comments whose copies lie in different threads. The later stages
work shard by shard. How many shards there are depends on the input alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import polars_hash as plh
from numpy.typing import NDArray

from sad.build import frames, outcome, threads
from sad.build.job import Job
from sad.build.units import Stage, counts_of, folder_of, write_counts
from sad.errors import DataError
from sad.files import flush, read_json

FILE_BYTES = 128 << 20
_BATCH_ROWS = 2_048  # what is read at least to get at one row
_BUCKETS = 1 << 16
_KEYS_AT_ONCE = 1 << 26

Keys = NDArray[np.uint64]


def read_stage(job: Job) -> Stage:
    """One unit per part of the source; a dump's window takes 2 GiB, so one at a time."""
    return Stage("read", "sad.build.partition:read", job.source.parts(), wide=True)


def plan_stage(_: Job) -> Stage:
    """A single unit."""
    return Stage("plan", "sad.build.partition:plan", 1, wide=True)


def read(job: Job, unit: int, folder: Path) -> None:
    """Write the rows of part ``unit`` by bucket, a key per row, and what was counted."""
    counts: Counter[str] = Counter()
    files = 0
    with ThreadPoolExecutor(1) as writer:
        written: Future[None] | None = None
        for files, rows in enumerate(_files(job.source.read(unit, job.settings, counts)), 1):
            if written:
                written.result()  # one at a time: memory stays bounded
            written = writer.submit(_write_rows, rows, folder, files - 1)
        if written:
            written.result()
    write_counts(folder, counts | {"files": files})


def _files(batches: Iterator[pl.DataFrame]) -> Iterator[list[pl.DataFrame]]:
    """``batches`` in groups of about ``FILE_BYTES``."""
    waiting: list[pl.DataFrame] = []
    size = 0.0
    for batch in batches:
        waiting.append(batch)
        size += batch.estimated_size()
        if size >= FILE_BYTES:
            yield waiting
            waiting, size = [], 0.0
    if waiting:
        yield waiting


def _write_rows(batches: list[pl.DataFrame], folder: Path, number: int) -> None:
    rows = pl.concat(batches)
    names = rows.select(
        node=plh.col("node_id").nchash.xxh3_64(), thread=plh.col("thread_id").nchash.xxh3_64()
    )
    bucket = (names["thread"].to_numpy() % _BUCKETS).astype(np.uint16)
    keys = (names["node"].to_numpy() & ~np.uint64(_BUCKETS - 1)) | bucket
    order = np.argsort(bucket, kind="stable")
    path = folder / f"rows-{number:05d}.arrow"
    frames.write_ipc(rows[order], path, _BATCH_ROWS)
    flush(path)  # now, not all at the end
    frames.write_array(keys[order], folder / f"keys-{number:05d}.npy")


def plan(job: Job, unit: int, folder: Path) -> None:
    """Write ``plan.json`` (the row at which each shard begins in each file) and ``disputed``.

    Raises:
        DataError: the files cannot be what they were given as.
    """
    counts = read_counts(job)
    job.source.check(counts)
    files = _row_files(job)
    keys = [_keys_of(path) for path in files]
    sizes = sum((_per_bucket(part) for part in keys), np.zeros(_BUCKETS, np.int64))
    shards = max(1, -(-int(sizes.sum()) // job.settings.shard_rows))
    first = np.searchsorted(np.cumsum(sizes), np.arange(1, shards) * sizes.sum() / shards) + 1
    edges = np.concatenate([[0], first, [_BUCKETS]])
    starts = [np.concatenate([[0], np.cumsum(_per_bucket(part))])[edges].tolist() for part in keys]
    frames.write_ipc(_disputed(files, keys), folder / "disputed.arrow")
    plan = {"files": [str(path.relative_to(job.work)) for path in files], "starts": starts}
    (folder / "plan.json").write_text(json.dumps(plan))


def _row_files(job: Job) -> list[Path]:
    """The files of rows of all parts, in order.

    Raises:
        DataError: one is missing.
    """
    files = []
    for unit, counts in enumerate(counts_of(job.work, read_stage(job))):
        folder = folder_of(job.work, "read", unit)
        files += [folder / f"rows-{number:05d}.arrow" for number in range(counts["files"])]
    for path in files:
        if not path.is_file():
            raise DataError(path, "is missing; start over with --fresh")
    return files


def forget_rows(job: Job) -> None:
    """Remove the rows, which nothing needs any more once the trees are made."""
    for path in (job.work / "read").glob("*/rows-*"):
        path.unlink(missing_ok=True)


def read_counts(job: Job) -> Counter[str]:
    """What the stage ``read`` counted, all parts together."""
    total: Counter[str] = Counter()
    for counts in counts_of(job.work, read_stage(job)):
        total.update(counts)
    return total


def shards(job: Job) -> int:
    """How many shards the plan has."""
    starts = _plan(job)["starts"]
    return len(starts[0]) - 1 if starts else 1


def rows_of(job: Job, shard: int) -> tuple[pl.DataFrame, int]:
    """The rows of a shard, and how many copies of comments were left to another thread."""
    plan = _plan(job)
    found = [pl.DataFrame(schema=threads.ROWS)]
    for name, starts in zip(plan["files"], plan["starts"], strict=True):
        start, end = starts[shard], starts[shard + 1]
        if end > start:
            found.append(
                pl.scan_ipc(job.work / name, glob=False).slice(start, end - start).collect()
            )
    rows = pl.concat(found)
    disputed = pl.read_ipc(folder_of(job.work, "plan", 0) / "disputed.arrow")
    if disputed.is_empty():
        return rows, 0
    decided = rows.join(disputed, on="node_id", how="left", maintain_order="left")
    kept = decided.filter(pl.col("thread").is_null() | (pl.col("thread") == pl.col("thread_id")))
    is_told = pl.col("last_delta").is_not_null()
    kept = kept.with_columns(
        told_delta=pl.when(is_told).then("last_delta").otherwise("told_delta"),
        told_by=pl.when(is_told).then("last_by").otherwise("told_by"),
    )
    return kept.select(rows.columns), rows.height - kept.height


def _plan(job: Job) -> dict[str, Any]:
    plan: dict[str, Any] = read_json(folder_of(job.work, "plan", 0) / "plan.json")
    return plan


def _keys_of(rows: Path) -> Keys:
    """The keys beside a file of rows, left on the disk until they are looked at."""
    path = rows.with_name(rows.name.replace("rows", "keys")).with_suffix(".npy")
    keys: Keys = np.load(path, mmap_mode="r")
    return keys


def _per_bucket(keys: Keys) -> NDArray[np.int64]:
    return np.bincount((keys % np.uint64(_BUCKETS)).astype(np.int64), minlength=_BUCKETS)


def _disputed(files: list[Path], keys: list[Keys]) -> pl.DataFrame:
    """Comments met in several threads: the thread of the last retrieved, and what all state.

    Columns ``node_id``, ``thread``, ``last_delta`` and ``last_by``. Copies within one thread are
    the business of its shard.
    """
    suspects = np.unique(np.concatenate([*_suspects(keys), np.zeros(0, np.uint64)]))
    found = [pl.DataFrame(schema=threads.ROWS)]
    if len(suspects):
        for path, part in zip(files, keys, strict=True):
            at = np.flatnonzero(np.isin(part & ~np.uint64(_BUCKETS - 1), suspects))
            for start in np.unique(at // _BATCH_ROWS) * _BATCH_ROWS if len(at) else ():
                some = pl.scan_ipc(path, glob=False).slice(int(start), _BATCH_ROWS).collect()
                inside = at[(at >= start) & (at < start + _BATCH_ROWS)] - start
                found.append(some[inside])
    rows = pl.concat(found)
    spread = pl.col("thread_id").n_unique().over("node_id") > 1
    rows = rows.filter(spread)
    stated = outcome.last_stated(rows).select("node_id", last_delta="told_delta", last_by="told_by")
    kept = threads.latest(rows).select("node_id", thread="thread_id")
    return kept.join(stated, on="node_id", how="left").sort("node_id")


def _suspects(keys: list[Keys]) -> Iterator[Keys]:
    """Hashes of ids that lie in several buckets, a range of hashes at a time to bound memory."""
    total = sum(len(part) for part in keys)
    parts = max(1, -(-total // _KEYS_AT_ONCE))
    # Between two names, never between the buckets of one.
    edges = [2**64 * i // parts // _BUCKETS * _BUCKETS for i in range(parts + 1)]
    for low, high in pairwise(edges):
        inside = [part[(part >= low) & (part <= high - 1)] for part in keys]
        ordered = np.sort(np.concatenate([*inside, np.zeros(0, np.uint64)]))
        names = ordered & ~np.uint64(_BUCKETS - 1)
        yield names[1:][(names[1:] == names[:-1]) & (ordered[1:] != ordered[:-1])]
