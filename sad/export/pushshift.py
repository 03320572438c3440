"""A thread folder or a build as Pushshift dumps: RS.zst and RC.zst with the 2 GiB window."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import zstandard

from sad.export._source import tables
from sad.files import atomic, atomic_folder

# As the public dumps: level 3 here, long-distance matching, a window of 2 GiB.
_PARAMETERS = zstandard.ZstdCompressionParameters.from_level(3, window_log=31, enable_ldm=True)


def run(source: Path, out: Path) -> dict[str, int]:
    """Write ``out/RS.zst`` and ``out/RC.zst`` from the folder ``source``; rows written.

    Comments carry two fields of ours, ``delta`` (``true``, ``false`` or ``unknown``) and
    ``delta_by``, so that outcomes survive without the comments of DeltaBot.

    Raises:
        DataError: ``source`` is neither a thread folder nor a finished build.
        SettingsError: ``out`` is not an empty folder.
    """
    found = tables(source)
    said = found["outcome"].unique("comment_id", keep="first", maintain_order=True)
    said = said.select(
        id=pl.col("comment_id").str.strip_prefix("t1_"),
        delta=pl.col("delta").cast(pl.String),
        delta_by="by",
    )
    replies = found["comments"].join(said, on="id", how="left", maintain_order="left")
    replies = replies.with_columns(pl.col("delta").fill_null("unknown"))
    with atomic_folder(out) as temporary:
        write_dump(found["submissions"].drop("provenance"), temporary / "RS.zst")
        write_dump(replies.drop("provenance"), temporary / "RC.zst")
    return {"submissions": found["submissions"].height, "comments": replies.height}


def write_dump(rows: pl.DataFrame, path: Path) -> None:
    """Write ``rows`` as one JSON object per line, compressed with a 2 GiB window."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        writer = zstandard.ZstdCompressor(compression_params=_PARAMETERS).stream_writer(file)
        with writer:
            for start in range(0, rows.height, 50_000):
                writer.write(rows[start : start + 50_000].write_ndjson().encode())
