"""The tables of a thread folder, in Pushshift's words. Missing scalars are null, never invented."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sad.errors import DataError
from sad.files import atomic

Schema = dict[str, type[pl.DataType]]

SUBMISSIONS: Schema = {
    "id": pl.String,
    "title": pl.String,
    "selftext": pl.String,
    "author": pl.String,
    "created_utc": pl.Int64,
    "score": pl.Int64,
    "num_comments": pl.Int64,
    "subreddit": pl.String,
    "distinguished": pl.String,
    "stickied": pl.Boolean,
    "permalink": pl.String,
    "retrieved_on": pl.Int64,
    "provenance": pl.String,
}
"""One row per submission; ``id`` has no prefix, ``created_utc`` is in seconds."""

COMMENTS: Schema = {
    "id": pl.String,
    "link_id": pl.String,
    "parent_id": pl.String,
    "body": pl.String,
    "author": pl.String,
    "created_utc": pl.Int64,
    "score": pl.Int64,
    "subreddit": pl.String,
    "distinguished": pl.String,
    "stickied": pl.Boolean,
    "is_submitter": pl.Boolean,
    "permalink": pl.String,
    "retrieved_on": pl.Int64,
    "provenance": pl.String,
}
"""One row per comment; ``link_id`` and ``parent_id`` carry their ``t1_``/``t3_`` prefix."""

OUTCOME: Schema = {"comment_id": pl.String, "delta": pl.Boolean, "by": pl.String}
"""One row per comment whose outcome is known; ``by``: who awarded it, ``op``, ``other`` or null."""

LABELS: Schema = {
    "utterance_id": pl.String,
    "stance": pl.UInt8,
    "strategies": pl.List(pl.String),  # type: ignore[dict-item]
}
"""One row per post or comment (``t3_``/``t1_`` id) whose labels a source states; null: not said."""

TABLES: dict[str, Schema] = {
    "submissions": SUBMISSIONS,
    "comments": COMMENTS,
    "outcome": OUTCOME,
    "labels": LABELS,
}


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write ``frame`` to ``path``, all or nothing; see ``put_parquet``."""
    with atomic(path) as temporary:
        put_parquet(frame, temporary)


def put_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write ``frame`` to ``path`` within a temporary folder; the bytes depend on its rows alone.

    Row groups hold 10,000 rows so that dataset viewers page through them cheaply.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _plain_os_errors():
        frame.write_parquet(path, compression="zstd", row_group_size=10_000)


def read_parquet(path: Path, schema: Schema) -> pl.DataFrame:
    """The columns of ``schema`` in the Parquet file at ``path``.

    Raises:
        DataError: the file is missing, damaged, or lacks a column or its type.
    """
    return pl.concat(read_batches(path, schema, None))


def read_batches(path: Path, schema: Schema, rows: int | None) -> Iterator[pl.DataFrame]:
    """``read_parquet``, ``rows`` rows at a time; one batch at least.

    Raises:
        DataError: the file is missing, damaged, or lacks a column or its type.
    """
    try:
        lazy = pl.scan_parquet(path, glob=False)
        _check_columns(path, lazy.collect_schema(), schema)
        lazy = lazy.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
        total = lazy.select(pl.len()).collect().item()
        for start in range(0, max(total, 1), rows or max(total, 1)):
            yield lazy.slice(start, rows).collect()
    except FileNotFoundError:
        raise DataError(
            path, "is missing; make the folder again with 'sad import' or 'sad build'"
        ) from None
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(path, f"is not a readable Parquet file ({reason})") from None


def _check_columns(path: Path, found: pl.Schema, schema: Schema) -> None:
    for name, dtype in schema.items():
        if name not in found:
            raise DataError(path, "the column is missing", field=name)
        if found[name] not in (dtype, pl.Null):
            raise DataError(path, f"expected {dtype.__name__}, found {found[name]}", field=name)


def write_ipc(frame: pl.DataFrame, path: Path, rows: int | None = None) -> None:
    """Write ``frame`` to ``path`` uncompressed, ``rows`` rows to a record batch: for other stages.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    with _plain_os_errors():
        frame.write_ipc(path, record_batch_size=rows)


def write_array(array: np.ndarray[Any, Any], path: Path) -> None:
    """``np.save``, which itself hides why a disk refuses.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    array = np.ascontiguousarray(array)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data.cast("B") if array.size else b"")


@contextmanager
def _plain_os_errors() -> Iterator[None]:
    """A full disk comes wrapped in an error of the format, or as an error without its number."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        if number := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from None
        raise


def write_threads(folder: Path, tables: dict[str, pl.DataFrame]) -> None:
    """Write a thread folder: each table with its schema's columns, sorted on its id."""
    for name, schema in TABLES.items():
        rows = tables.get(name, pl.DataFrame(schema=schema))
        key = next(iter(schema))
        write_parquet(rows.select(list(schema)).sort(key), folder / f"{name}.parquet")


def read_table(folder: Path, name: str, rows: int | None = None) -> Iterator[pl.DataFrame]:
    """The table ``name`` of the thread folder at ``folder``, ``rows`` rows at a time.

    Raises:
        DataError: the folder or the table is missing or damaged, or a row has no id.
    """
    if not folder.is_dir():
        raise DataError(folder, "is not a thread folder")
    path, schema = folder / f"{name}.parquet", TABLES[name]
    key = next(iter(schema))
    for batch in read_batches(path, schema, rows):
        if batch[key].null_count():
            raise DataError(path, "a row has no id", field=key)
        yield batch


def read_threads(folder: Path) -> dict[str, pl.DataFrame]:
    """The tables of the thread folder at ``folder``."""
    return {name: pl.concat(read_table(folder, name)) for name in TABLES}
