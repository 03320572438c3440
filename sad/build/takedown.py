"""The takedown list: what must not be in any build, named by its id or by its author."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from sad.errors import DataError

_ENTRY = re.compile(r"t[13]_\S+|u/.+")


def read(path: Path | None) -> frozenset[str]:
    """The entries of the list at ``path``: one ``t3_ID``, ``t1_ID`` or ``u/NAME`` per line.

    Empty lines and lines that begin with ``#`` are skipped. No path, no entries.

    Raises:
        DataError: the file cannot be read, or a line is none of these.
    """
    if path is None:
        return frozenset()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(path, f"cannot be read ({error})") from None
    entries = set()
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        if not _ENTRY.fullmatch(line):
            raise DataError(path, "expected t3_ID, t1_ID or u/NAME", line=number)
        entries.add(line.lower())
    return frozenset(entries)


def named(entries: frozenset[str]) -> pl.Expr:
    """Whether a node (``node_id``, ``author``) is on the list; names in any case."""
    if not entries:
        return pl.lit(False)
    listed = pl.Series(sorted(entries), dtype=pl.String).implode()
    author = pl.lit("u/") + pl.col("author").str.to_lowercase()
    return pl.col("node_id").str.to_lowercase().is_in(listed) | author.is_in(listed).fill_null(
        False
    )
