"""The thread tables of what is exported: a thread folder's own, or those of a build."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from sad.build import folder as built
from sad.build.frames import TABLES, read_threads

BARE = r"^t[13]_"


def tables(source: Path) -> dict[str, pl.DataFrame]:
    """The tables of ``frames.TABLES`` for the thread folder or the build ``source``.

    Of a build, posts carry the topic as title, bodies are the cleaned texts, authors the speaker
    hashes; outcomes and labels are the build's.

    Raises:
        DataError: ``source`` is neither a thread folder nor a finished build.
    """
    if not (source / ".run").is_dir():
        return read_threads(source)
    topics = built.read(source, "dialogues").select("thread_id", "topic").unique()
    rows = built.read(source, "utterances").join(topics, on="thread_id", how="left")
    rows = rows.sort("created_utc", "thread_id", "depth", "utterance_id", nulls_last=True)
    rows = rows.with_columns(
        author="speaker",
        is_submitter="is_op",
        id=bare("utterance_id"),
        subreddit=pl.lit("changemyview"),
    )
    common = ("id", "author", "created_utc", "subreddit")
    is_post = pl.col("parent_id").is_null()
    posts = rows.filter(is_post).select(*common, title="topic", selftext="text")
    # A build without its posts still has their topics.
    others = topics.select(id=bare("thread_id"), title="topic").join(posts, on="id", how="anti")
    posts = pl.concat([posts, others.sort("id")], how="diagonal")
    replies = rows.filter(~is_post).select(
        *common, "parent_id", "is_submitter", link_id="thread_id", body="text"
    )
    told = rows.filter(~is_post & pl.col("delta").is_not_null())
    found = {
        "submissions": posts,
        "comments": replies,
        "outcome": told.select("delta", comment_id="id", by="delta_by"),
        "labels": rows.select("utterance_id", "stance", "strategies"),
    }
    return {name: _filled(frame, name) for name, frame in found.items()}


def bare(column: str) -> pl.Expr:
    """The id in ``column`` without ``t1_`` or ``t3_``."""
    return pl.col(column).str.replace(BARE, "")


def _filled(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    schema = TABLES[table]
    absent = {n: pl.lit(None, dtype) for n, dtype in schema.items() if n not in rows.columns}
    return rows.with_columns(**absent).select(pl.col(n).cast(d) for n, d in schema.items())
