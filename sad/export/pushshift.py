"""A thread folder or a build as Pushshift dumps: RS.zst and RC.zst with the 2 GiB window."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import zstandard

from sad.build import folder as built
from sad.build.frames import COMMENTS, SUBMISSIONS, read_threads
from sad.files import atomic, atomic_folder

# As the public dumps: level 3 here, long-distance matching, a window of 2 GiB.
_PARAMETERS = zstandard.ZstdCompressionParameters.from_level(3, window_log=31, enable_ldm=True)


def run(source: Path, out: Path) -> dict[str, int]:
    """Write ``out/RS.zst`` and ``out/RC.zst`` from the folder ``source``; rows written.

    Of a build, posts carry the topic as title, bodies are the cleaned texts, authors the speaker
    hashes.

    Raises:
        DataError: ``source`` is neither a thread folder nor a finished build.
        SettingsError: ``out`` is not an empty folder.
    """
    if (source / ".run").is_dir():
        posts, replies = _of_build(source)
    else:
        tables = read_threads(source)
        posts, replies = tables["submissions"], tables["comments"]
    with atomic_folder(out) as temporary:
        write_dump(posts.select(list(SUBMISSIONS)).drop("provenance"), temporary / "RS.zst")
        write_dump(replies.select(list(COMMENTS)).drop("provenance"), temporary / "RC.zst")
    return {"submissions": posts.height, "comments": replies.height}


def write_dump(rows: pl.DataFrame, path: Path) -> None:
    """Write ``rows`` as one JSON object per line, compressed with a 2 GiB window."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        writer = zstandard.ZstdCompressor(compression_params=_PARAMETERS).stream_writer(file)
        with writer:
            for start in range(0, rows.height, 50_000):
                writer.write(rows[start : start + 50_000].write_ndjson().encode())


def _of_build(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    topics = built.read(folder, "dialogues").select("thread_id", "topic").unique()
    rows = built.read(folder, "utterances").join(topics, on="thread_id", how="left")
    rows = rows.sort("created_utc", "thread_id", "depth", "utterance_id", nulls_last=True)
    rows = rows.with_columns(
        author="speaker",
        id=pl.col("utterance_id").str.replace("^t[13]_", ""),
        subreddit=pl.lit("changemyview"),
    )
    common = ("id", "author", "created_utc", "subreddit")
    is_post = pl.col("parent_id").is_null()
    posts = rows.filter(is_post).select(*common, title="topic", selftext="text")
    replies = rows.filter(~is_post).select(*common, "parent_id", link_id="thread_id", body="text")
    return _filled(posts, SUBMISSIONS), _filled(replies, COMMENTS)


def _filled(rows: pl.DataFrame, schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    absent = {n: pl.lit(None, dtype) for n, dtype in schema.items() if n not in rows.columns}
    return rows.with_columns(**absent)
