"""The tables of a thread folder, in Pushshift's words. Missing scalars are null, never invented."""

from __future__ import annotations

import os
import re
from pathlib import Path

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
    """Write ``frame`` to ``path``; the bytes depend on its rows alone.

    Row groups hold 10,000 rows so that dataset viewers page through them cheaply.
    """
    with atomic(path) as temporary:
        try:
            frame.write_parquet(temporary, compression="zstd", row_group_size=10_000)
        except pl.exceptions.PolarsError as error:
            # A full disk comes wrapped in an error of the format.
            if number := re.search(r"os error (\d+)", str(error)):
                raise OSError(int(number[1]), os.strerror(int(number[1]))) from None
            raise


def read_parquet(path: Path, schema: Schema) -> pl.DataFrame:
    """The columns of ``schema`` in the Parquet file at ``path``.

    Raises:
        DataError: the file is missing, damaged, or lacks a column or its type.
    """
    try:
        frame = pl.read_parquet(path, glob=False)
    except FileNotFoundError:
        raise DataError(
            path, "is missing; make the folder again with 'sad import' or 'sad build'"
        ) from None
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(path, f"is not a readable Parquet file ({reason})") from None
    for name, dtype in schema.items():
        if name not in frame.columns:
            raise DataError(path, "the column is missing", field=name)
        if frame.schema[name] not in (dtype, pl.Null):
            found = frame.schema[name]
            raise DataError(path, f"expected {dtype.__name__}, found {found}", field=name)
    return frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())


def write_threads(folder: Path, tables: dict[str, pl.DataFrame]) -> None:
    """Write a thread folder: each table with its schema's columns, sorted on its id."""
    for name, schema in TABLES.items():
        rows = tables.get(name, pl.DataFrame(schema=schema))
        key = next(iter(schema))
        write_parquet(rows.select(list(schema)).sort(key), folder / f"{name}.parquet")


def read_threads(folder: Path) -> dict[str, pl.DataFrame]:
    """The three tables of the thread folder at ``folder``."""
    if not folder.is_dir():
        raise DataError(folder, "is not a thread folder")
    tables = {}
    for name, schema in TABLES.items():
        path = folder / f"{name}.parquet"
        tables[name] = read_parquet(path, schema)
        key = next(iter(schema))
        if tables[name][key].null_count():
            raise DataError(path, "a row has no id", field=key)
    return tables
