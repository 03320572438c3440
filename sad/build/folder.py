"""A built folder: its tables, its records under ``.run/``, and who may write it."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from sad.build.pairs import PAIRS
from sad.build.split import SPLITS
from sad.errors import DataError, SettingsError
from sad.files import TEMPORARY, read_json

SPANS = pl.List(pl.Struct({"label": pl.String, "start": pl.Int64, "end": pl.Int64}))

UTTERANCES: dict[str, Any] = {
    "utterance_id": pl.String,
    "thread_id": pl.String,
    "parent_id": pl.String,
    "depth": pl.Int64,
    "speaker": pl.String,
    "created_utc": pl.Int64,
    "text": pl.String,
    "n_words": pl.Int64,
    "is_op": pl.Boolean,
    "delta": pl.Boolean,
    "delta_by": pl.String,
    "stance": pl.UInt8,
    "stance_confidence": pl.Float64,
    "strategies": pl.List(pl.String),
    "strategy_mask": pl.UInt8,
    "spans": SPANS,
    "label_source": pl.String,
}

DIALOGUES: dict[str, Any] = {
    "dialogue_id": pl.String,
    "thread_id": pl.String,
    "topic": pl.String,
    "topic_group": pl.String,
    "utterance_ids": pl.List(pl.String),
    "n_turns": pl.Int64,
    "split": pl.String,
    "split_time": pl.String,
    "rank": pl.Int64,
}

TURN = pl.Struct({"stance": pl.UInt8, "text": pl.String, "strategies": pl.List(pl.String)})

EXAMPLES: dict[str, Any] = {
    "dialogue_id": pl.String,
    "topic": pl.String,
    "history": pl.List(TURN),
    "target_stance": pl.UInt8,
    "target_strategies": pl.List(pl.String),
    "target": pl.String,
}

LABELS_RECORD = "labels.json"
STRUCTURE = "stance"
"""Under ``.run/``: stance, confidence and source as the build saw them; votes may override them."""

TABLES = {"utterances": UTTERANCES, "dialogues": DIALOGUES, "pairs": PAIRS, "examples": EXAMPLES}


def shard(folder: Path, table: str, split: str, number: int, of: int) -> Path:
    """The file of ``table`` for ``split`` that holds the threads of shard ``number``."""
    return folder / table / f"{split}-{number:05d}-of-{of:05d}.parquet"


def record(folder: Path, name: str, number: int) -> Path:
    """The file of a table under ``.run/`` that holds the threads of shard ``number``."""
    return folder / ".run" / name / f"{number:05d}.parquet"


def files(folder: Path, table: str, split: str | None = None) -> list[Path]:
    """The files of ``table``, of all splits unless one is named, in order.

    Raises:
        DataError: the folder is no finished build, or holds no such table or not all of it.
    """
    require_built(folder)
    splits = ("train",) if table == "utterances" else SPLITS if split is None else (split,)
    return [path for name in splits for path in _files(folder, table, name)]


def _files(folder: Path, table: str, split: str) -> list[Path]:
    there = sorted((folder / table).glob(f"{split}-*-of-*.parquet"))
    total = int(there[-1].stem.rpartition("-")[2]) if there else 1
    whole = [shard(folder, table, split, number, total) for number in range(total)]
    if missing := [path for path in whole if path not in there]:
        hint = "label the folder first" if table == "examples" else "build the folder again"
        raise DataError(missing[0], f"is missing; {hint}")
    return whole


def read(
    folder: Path,
    table: str,
    split: str | None = None,
    *,
    columns: Sequence[str] | None = None,
    where: pl.Expr | None = None,
) -> pl.DataFrame:
    """The rows of ``table`` in the built folder, of all splits unless one is named.

    Args:
        folder: a built folder.
        table: one of ``TABLES``.
        split: None: all.
        columns: those that are needed; None: all.
        where: which rows are needed; only they are held in memory.

    Raises:
        DataError: the folder is no finished build, or holds no such table or a damaged one.
    """
    paths = files(folder, table, split)
    return pl.concat([read_file(path, table, columns, where) for path in paths])


def read_file(
    path: Path,
    table: str,
    columns: Sequence[str] | None = None,
    where: pl.Expr | None = None,
) -> pl.DataFrame:
    """The rows of one file of ``table``; see ``read``.

    Raises:
        DataError: the file is damaged or lacks a column.
    """
    try:
        lazy = pl.scan_parquet(path, glob=False)
        known = lazy.collect_schema()
        if missing := [column for column in TABLES[table] if column not in known]:
            raise DataError(path, "the column is missing", field=missing[0])
        lazy = lazy if where is None else lazy.filter(where)
        return (lazy if columns is None else lazy.select(columns)).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(path, f"is not a readable Parquet file ({reason})") from None


def is_labelled(folder: Path) -> bool:
    """Whether the labels and examples of ``folder`` are complete: their record is written last."""
    return (folder / ".run" / LABELS_RECORD).exists()


def require_built(folder: Path) -> None:
    """Refuse a folder that is not a finished build.

    Raises:
        DataError: there is no finished build in ``folder``.
    """
    if not (folder / ".run" / "done").exists():
        raise DataError(folder, "is not a finished build; make one with 'sad build --out'")


def counts(folder: Path) -> dict[str, Any]:
    """What the build of ``folder`` counted, per stage."""
    require_built(folder)
    found = read_json(folder / ".run" / "counts.json")
    if not isinstance(found, dict):
        raise DataError(folder / ".run" / "counts.json", "is not an object of stages")
    return found


def note(folder: Path, what: str) -> None:
    """Add a line with the time to the log of ``folder``, the only place with a clock."""
    path = folder / ".run" / "log.txt"
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {what}\n")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the only right to write ``folder``; a killed process gives it back.

    Raises:
        SettingsError: another process writes the folder.
    """
    path = folder / ".run" / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise DataError(folder, f"cannot be written ({error.strerror})") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"{folder}: another sad command is writing it; wait") from None
        except OSError as error:
            message = f"cannot be locked ({error.strerror}); choose a file system that can"
            raise DataError(folder, message) from None
        for left_over in list(folder.rglob(f".*{TEMPORARY}")):  # of a command that was killed
            if left_over.is_dir():
                shutil.rmtree(left_over)
            else:
                left_over.unlink(missing_ok=True)
        yield
