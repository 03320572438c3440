"""Thread dumps of Webis (cmv_20161111): one thread per line, comments nested as ``children``.

The form of ``threads.jsonl.bz2`` (specification data-sources.md, 6). A ``pairs.jsonl`` beside it
tells of single comments whether they earned a delta.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from sad.importers import _lines, _rows

Row = dict[str, Any]


def read(source: Path) -> tuple[dict[str, pl.DataFrame], Counter[str]]:
    """The thread tables of ``source``: a file of threads, or the folder that holds it.

    A thread whose flag ``delta`` is false awarded none; of one whose flag is true, single
    comments are known by their own flag, by DeltaBot's answers, or by ``pairs.jsonl``. Counted:
    ``bad_json`` lines, ``no_id`` (threads and comments without one) and ``below_no_id`` (what hangs
    below such a comment), ``no_object`` (entries of a list of comments that are none).

    Raises:
        DataError: no file is found, or none of its lines is an object.
    """
    counts: Counter[str] = Counter()
    posts: list[Row] = []
    replies: list[Row] = []
    outcome: dict[str, Row] = {}
    for path in _lines.files(source, ("threads.jsonl*",)):
        for number, thread in _lines.objects(path, counts):
            name = _rows.identifier(thread.get("id"))
            if name is None:
                counts["no_id"] += 1
                continue
            where = f"{path.name}:{number}"
            posts.append(_post(thread, name, where))
            awarded = _rows.boolean(thread.get("delta"))
            for comment in _walk(thread, f"t3_{name}", where, counts):
                flag = comment.pop("flag")
                replies.append(comment)
                won = False if awarded is False else flag
                for told in _rows.awarded(comment["id"], won, None):
                    outcome[comment["id"]] = told
        for pairs in sorted(path.parent.glob("pairs.jsonl*")):
            outcome |= _pairs(pairs, counts)
    counts.update(submissions=len(posts), comments=len(replies))
    return _rows.tables(posts, replies, outcome.values()), counts


def _common(item: Row, where: str) -> Row:
    return {
        "author": _rows.text(item.get("author")),
        "created_utc": _rows.integer(item.get("created_utc")),
        **_rows.of_reddit(item),
        "provenance": where,
    }


def _post(thread: Row, name: str, where: str) -> Row:
    body = thread.get("selftext", thread.get("body"))
    return {
        "id": name,
        "title": _rows.text(thread.get("title")),
        "selftext": _rows.text(body),
        "num_comments": _rows.integer(thread.get("num_comments")),
        **_common(thread, where),
    }


def _walk(thread: Row, post: str, where: str, counts: Counter[str]) -> Iterator[Row]:
    """The comments of a thread, parents first; iterative, since trees can be deep."""
    stack = [(comment, post) for comment in reversed(_listed(thread.get("comments"), counts))]
    while stack:
        comment, above = stack.pop()
        children = _listed(comment.get("children"), counts)[::-1]
        name = _rows.identifier(comment.get("id")) if above else None
        if name is None:
            counts["no_id" if above else "below_no_id"] += 1
            stack += [(child, "") for child in children]
            continue
        given = comment.get("parent_id")
        prefixed = isinstance(given, str) and given.startswith(("t1_", "t3_"))
        yield {
            "id": name,
            "link_id": post,
            "parent_id": given if prefixed else above,
            "body": _rows.text(comment.get("body")),
            "is_submitter": _rows.boolean(comment.get("is_submitter")),
            "flag": comment.get("delta"),
            **_common(comment, where),
        }
        stack += [(child, f"t1_{name}") for child in children]


def _listed(value: Any, counts: Counter[str]) -> list[Row]:
    listed = value if isinstance(value, list) else []
    found = [item for item in listed if isinstance(item, dict)]
    counts["no_object"] += len(listed) - len(found)
    return found


def _pairs(path: Path, counts: Counter[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for _, pair in _lines.objects(path, counts):
        for side, won in (("nodelta_comment", False), ("delta_comment", True)):
            value = pair.get(side)
            listed = value.get("comments") if isinstance(value, dict) else None
            first = _listed(listed, counts)[:1]
            for name in filter(None, (_rows.identifier(comment.get("id")) for comment in first)):
                counts["pairs"] += won
                if won or name not in found:
                    found[name] = {"comment_id": name, "delta": won, "by": "op" if won else None}
    return found
