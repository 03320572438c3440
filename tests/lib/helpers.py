"""Small makers of input and readers of output for the tests."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

from sad.build import readers, threads
from sad.build.readers import Reading


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """``rows`` as one JSON object per line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


LONG = "this sentence is certainly long enough to be kept by the ten word rule of the paper"


def post(name: str = "p", **fields: Any) -> dict[str, Any]:
    """A submission line."""
    return {
        "id": name, "title": f"CMV: title {name}", "selftext": f"{LONG} {name}", "author": "op",
        "created_utc": 1_500_000_000, "subreddit": "changemyview", **fields,
    }  # fmt: skip


def reply(name: str, parent: str, link: str = "p", **fields: Any) -> dict[str, Any]:
    """A comment line; ``parent`` is a bare comment id, or the link itself."""
    prefix = "t3_" if parent == link else "t1_"
    return {
        "id": name, "link_id": f"t3_{link}", "parent_id": prefix + parent,
        "body": f"{LONG} {name}", "author": f"user_{name}", "created_utc": 1_500_000_100,
        "subreddit": "changemyview", **fields,
    }  # fmt: skip


def read_dump(
    path: Path, fields: dict[str, Any], how: Reading | None = None, counts: Any = None
) -> pl.DataFrame:
    """All rows of a dump."""
    found = readers.rows(path, fields, how or Reading(), Counter() if counts is None else counts)
    return pl.concat([pl.DataFrame(schema=fields), *found])


def thread_rows(
    submissions: list[Path], comments: list[Path], how: Reading | None = None
) -> pl.DataFrame:
    """The rows of dumps, before they are joined."""
    found = [threads.posts(read_dump(path, readers.SUBMISSION, how)) for path in submissions]
    found += [threads.replies(read_dump(path, readers.COMMENT, how)) for path in comments]
    return pl.concat(found)


def fill_disk(folder: Path) -> Path:
    """A file in ``folder`` that takes all room of its disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


def tree_bytes(folder: Path) -> dict[str, bytes]:
    """The bytes of every file of a built folder outside ``.run``."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".run" not in path.relative_to(folder).parts
    }


def rows(frame: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """The rows of ``columns`` as tuples."""
    return frame.select(columns).rows()
