"""A thread folder or a build as a ConvoKit corpus folder, which ``convokit.Corpus`` opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from sad.errors import DataError
from sad.export._source import tables
from sad.files import atomic_folder, write_json, write_text
from sad.importers.convokit import MISSING

_META = ("score", "subreddit", "distinguished", "stickied", "permalink", "retrieved_on")


def run(source: Path, out: Path) -> dict[str, int]:
    """Write the corpus of the folder ``source`` into the folder ``out``; rows written.

    Utterance meta: ``success`` (1, 0 or null: the outcome), ``delta_by``, ``stance``,
    ``strategies``, and what dumps say of an item. Conversation meta: ``op-title``,
    ``op-text-body``, ``op-userID``.

    Raises:
        DataError: ``source`` is neither a thread folder nor a finished build, or a comment has
            the id of a post.
        SettingsError: ``out`` is not an empty folder.
    """
    found = tables(source)
    posts = found["submissions"].unique("id", keep="first", maintain_order=True)
    clash = found["comments"].filter(pl.col("id").is_in(posts["id"].implode()))
    if clash.height:
        name = clash["id"][0]
        raise DataError(
            source, f"a comment and a post are both called {name}; ConvoKit has one name"
        )
    rows = [*_posts(posts, found), *_comments(found)]
    speakers = sorted({row["speaker"] for row in rows})
    with atomic_folder(out) as temporary:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_text(temporary / "utterances.jsonl", "".join(lines))
        write_json(temporary / "speakers.json", {n: {"meta": {}, "vectors": []} for n in speakers})
        write_json(temporary / "conversations.json", _conversations(posts))
        write_json(temporary / "corpus.json", {})
        write_json(temporary / "index.json", _index(rows))
    return {"conversations": posts.height, "utterances": len(rows), "speakers": len(speakers)}


def _posts(posts: pl.DataFrame, found: dict[str, pl.DataFrame]) -> list[dict[str, Any]]:
    rows = posts.sort("id").with_columns(
        utterance_id=pl.lit("t3_") + pl.col("id"), text="selftext", conversation="id",
        parent=pl.lit(None, pl.String), success=pl.lit(None, pl.Int64),
        delta_by=pl.lit(None, pl.String),
    )  # fmt: skip
    return _utterances(rows, found["labels"])


def _comments(found: dict[str, pl.DataFrame]) -> list[dict[str, Any]]:
    said = found["outcome"].unique("comment_id", keep="first", maintain_order=True).select(
        id=pl.col("comment_id").str.strip_prefix("t1_"), success=pl.col("delta").cast(pl.Int64),
        delta_by="by",
    )  # fmt: skip
    rows = found["comments"].join(said, on="id", how="left", maintain_order="left").sort("id")
    rows = rows.with_columns(
        utterance_id=pl.lit("t1_") + pl.col("id"), text="body",
        conversation=pl.col("link_id").str.strip_prefix("t3_"),
        parent=pl.col("parent_id").str.replace(r"^t[13]_", ""),
    )  # fmt: skip
    return _utterances(rows, found["labels"])


def _utterances(rows: pl.DataFrame, labels: pl.DataFrame) -> list[dict[str, Any]]:
    labels = labels.unique("utterance_id", keep="first", maintain_order=True)
    rows = rows.join(labels, on="utterance_id", how="left", maintain_order="left")
    meta = ("success", "delta_by", "stance", "strategies", *_META)
    return [
        {
            "id": row["id"],
            "conversation_id": row["conversation"],
            "text": row["text"],
            "speaker": row["author"] or MISSING,
            "meta": {name: row[name] for name in meta},
            "reply-to": row["parent"],
            "timestamp": row["created_utc"],
            "vectors": [],
        }
        for row in rows.iter_rows(named=True)
    ]


def _conversations(posts: pl.DataFrame) -> dict[str, Any]:
    return {
        row["id"]: {
            "meta": {
                "op-title": row["title"],
                "op-text-body": row["selftext"],
                "op-userID": row["author"] or MISSING,
            },
            "vectors": [],
        }
        for row in posts.sort("id").iter_rows(named=True)
    }


def _index(rows: list[dict[str, Any]]) -> dict[str, Any]:
    kinds: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row["meta"].items():
            kinds.setdefault(name, set()).add(str(type(value)))
    titles = {name: ["<class 'str'>"] for name in ("op-title", "op-text-body", "op-userID")}
    return {
        "utterances-index": {name: sorted(found) for name, found in sorted(kinds.items())},
        "speakers-index": {},
        "conversations-index": titles,
        "overall-index": {},
        "version": 1,
        "vectors": [],
    }
