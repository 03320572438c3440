"""Priniski and Horne 2018: top CMV posts and the chains of comments that ended in a delta.

The folder of jpriniski/CMV (specification data-sources.md, 2): a sheet of posts, and for post N a
sheet of chains, each from the top-level comment down to the award and DeltaBot's answer. There are
no ids, authors or times of comments: ids are made from row, chain and place.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from sad.build.outcome import CONFIRMED
from sad.errors import DataError
from sad.importers import _rows, _xlsx

_POSTS, _CHAINS = "posts.jsonl.gz", "delta_chains.jsonl.gz"
_SHEETS = ("jan12_data_coded.xlsx", "top_Jan-12_CMV.xlsx")
_BOT = "DeltaBot"


def read(source: Path) -> tuple[dict[str, pl.DataFrame], Counter[str]]:
    """The thread tables of the folder ``source``.

    Its compressed copies (``posts.jsonl.gz``, ``delta_chains.jsonl.gz``) are read if they are
    there, else the Excel sheets. Chains of a post that begin with the same texts share those
    comments (``shared``). A chain that DeltaBot confirms gives a delta to the comment before the
    award, by nobody knows whom; a rejected one gives none. Where a chain has no such comment,
    ``awards_to_post`` counts it. Empty cells inside a chain (five of the chains have one: a comment
    lost upstream) are closed up, in the sheets as in the copies.

    Raises:
        DataError: the folder holds neither form, or a file of it is damaged.
    """
    counts: Counter[str] = Counter()
    posts = [_post(row) for row in _posts(source)]
    if not posts:
        raise DataError(source, "its sheet of posts is empty")
    replies: dict[str, dict[str, Any]] = {}
    known: dict[tuple[str, str, str], str] = {}
    outcome: dict[str, bool] = {}
    for row, chain, texts in _chains(source):
        counts["chains"] += 1
        names = _add(row, chain, texts, replies, known)
        counts["shared"] += len(texts) - sum(n.startswith(f"p{row}c{chain}n") for n in names)
        won = re.search(CONFIRMED, texts[-1]) is not None
        counts["confirmed" if won else "rejected"] += 1
        if len(texts) < 3:
            counts["awards_to_post"] += 1
        else:
            outcome[names[-3]] = outcome.get(names[-3], False) or won
    if not replies:
        raise DataError(source, "holds no chain of comments: is delta_threads missing?")
    counts.update(submissions=len(posts), comments=len(replies))
    told = ({"comment_id": name, "delta": won} for name, won in outcome.items())
    return _rows.tables(posts, replies.values(), told), counts


def _post(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"p{row['post_row']}",
        "title": _rows.text(row["title"]),
        "selftext": _rows.text(row["selftext"]),
        "num_comments": _rows.integer(row["num_comments"]),
        "created_utc": _rows.integer(row["created_utc"]),
        "subreddit": "changemyview",
        "provenance": f"post {row['post_row']}",
    }


def _add(
    row: int,
    chain: int,
    texts: list[str],
    replies: dict[str, dict[str, Any]],
    known: dict[tuple[str, str, str], str],
) -> list[str]:
    """Add the comments of a chain; their ids. ``known``: (post, parent, text) -> id."""
    link = above = f"t3_p{row}"
    names = []
    for place, text in enumerate(texts):
        name = known.setdefault((link, above, text), f"p{row}c{chain}n{place}")
        names.append(name)
        replies.setdefault(
            name,
            {
                "id": name,
                "link_id": link,
                "parent_id": above,
                "body": _rows.text(text),
                "author": None,
                "subreddit": "changemyview",
                "provenance": f"post {row} chain {chain} text {place}",
            },
        )
        above = f"t1_{name}"
    replies[names[-1]]["author"] = _BOT
    return names


def _posts(source: Path) -> Iterator[dict[str, Any]]:
    if (source / _POSTS).exists():
        yield from _lines(
            source / _POSTS, ("post_row", "title", "selftext", "num_comments", "created_utc")
        )
        return
    sheet = next((source / name for name in _SHEETS if (source / name).exists()), None)
    if sheet is None:
        raise DataError(source, f"holds neither {_POSTS} nor {_SHEETS[0]}")
    cells = _xlsx.rows(sheet)
    for number, values in enumerate(cells[1:]):
        row = dict(zip(cells[0], values, strict=False))
        yield {
            "post_row": number,
            "title": row.get("title"),
            "selftext": row.get("selftext"),
            "num_comments": row.get("No. of Comments"),
            "created_utc": row.get("Post Time"),
        }


def _chains(source: Path) -> Iterator[tuple[int, int, list[str]]]:
    """(post row, chain, texts) in the order of both numbers."""
    if (source / _CHAINS).exists():
        for found in _lines(source / _CHAINS, ("post_row", "chain", "texts")):
            if texts := found["texts"]:
                yield found["post_row"], found["chain"], texts
        return
    sheets = {}
    for path in (source / "delta_threads").glob("*_delta_thread.xlsx"):
        if number := re.match(r"\d+", path.name):
            sheets[int(number[0])] = path
    for row, path in sorted(sheets.items()):
        for cells in _xlsx.rows(path):
            texts = [cell for cell in cells[1:] if cell is not None]
            chain = _rows.integer(cells[0]) if cells else None
            if texts and chain is not None:
                yield row, chain, texts


def _lines(path: Path, keys: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                value = json.loads(line)
                if not isinstance(value, dict) or any(key not in value for key in keys):
                    raise DataError(path, f"expected an object with {', '.join(keys)}", line=number)
                texts = value.get("texts", [])
                if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
                    raise DataError(path, "expected a list of texts", line=number, field="texts")
                yield value
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(path, f"is damaged ({error})") from None
