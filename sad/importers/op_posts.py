"""Posts without comments, as in change-my-view-2025: a CSV with the column ``original_post``.

The first line of a cell is the title, the rest the text (specification data-sources.md, 1.1). The
source is the CSV, a zip that holds it, or the folder of either. A build of such posts keeps them
with ``--set min_turns=1``.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import polars as pl

from sad.errors import DataError
from sad.importers import _rows

_COLUMN = "original_post"


def read(source: Path) -> tuple[dict[str, pl.DataFrame], Counter[str]]:
    """The thread tables of the posts in ``source``; ids are made from the row.

    Raises:
        DataError: there is no CSV, or it has no such column.
    """
    name, raw = _csv(source)
    try:
        table = pl.read_csv(io.BytesIO(raw), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            source, f"{name} is not a CSV ({str(error).partition(chr(10))[0]})"
        ) from None
    if _COLUMN not in table.columns:
        raise DataError(source, f"{name} lacks the column", field=_COLUMN)
    posts = []
    for row, cell in enumerate(table[_COLUMN]):
        title, _, text = (cell or "").partition("\n")
        posts.append(
            {
                "id": f"o{row}",
                "title": title.rstrip("\r") or None,
                "selftext": text or None,
                "subreddit": "changemyview",
                "provenance": f"{name}:{row}",
            }
        )
    return _rows.tables(posts, ()), Counter(submissions=len(posts), comments=0)


def _csv(source: Path) -> tuple[str, bytes]:
    """Name and bytes of the CSV in ``source``."""
    if source.is_dir():
        found = sorted([*source.glob("*.csv"), *source.glob("*.csv.zip")])
        if not found:
            raise DataError(source, "holds no *.csv or *.csv.zip")
        source = found[0]
    if source.suffix != ".zip":
        return source.name, source.read_bytes()
    try:
        with zipfile.ZipFile(source) as archive:
            inside = [n for n in archive.namelist() if n.endswith(".csv") and "__MACOSX" not in n]
            if not inside:
                raise DataError(source, "holds no CSV")
            return inside[0], archive.read(inside[0])
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise DataError(source, f"is not a zip file ({error})") from None
