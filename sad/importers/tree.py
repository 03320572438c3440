"""Nested JSON trees: {"node": {id, author, text, timestamp, ...}, "children": [...]}.

The form of the complete CMV tree of NasLab (specification 1.1). A file holds one tree or a list of
trees; a folder stands for its ``*.json`` files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from sad.errors import DataError
from sad.files import read_json
from sad.importers import _rows

_QUOTE = re.compile(r"\s*<quote>(.*?)</quote>\s*", re.DOTALL)


def read(source: Path) -> tuple[dict[str, pl.DataFrame], Counter[str]]:
    """The thread tables of the trees in ``source``, and counts of threads and comments.

    Raises:
        DataError: a file is not JSON, or a node lacks its id or text.
    """
    paths = sorted(source.glob("*.json")) if source.is_dir() else [source]
    if not paths:
        raise DataError(source, "holds no *.json file")
    posts: list[dict[str, Any]] = []
    replies: list[dict[str, Any]] = []
    for path in paths:
        value = read_json(path)
        for root in value if isinstance(value, list) else [value]:
            nodes = _walk(root, path)
            posts.append(_post(*next(nodes), path))
            link = f"t3_{posts[-1]['id']}"
            replies += [_reply(node, parent, link, path) for node, parent in nodes]
    return _rows.tables(posts, replies), Counter(submissions=len(posts), comments=len(replies))


def _walk(root: Any, path: Path) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Each node with the id of its parent, parents first; iterative, since trees can be deep."""
    stack = [(root, None)]
    while stack:
        branch, parent = stack.pop()
        node = branch.get("node") if isinstance(branch, dict) else None
        if not isinstance(node, dict) or not isinstance(node.get("id"), str):
            raise DataError(path, 'expected {"node": {"id": ...}, "children": [...]}', field="node")
        if not isinstance(node.get("text"), str):
            raise DataError(path, "the node has no text", field=f"node {node['id']}")
        children = branch.get("children") or []
        if not isinstance(children, list) or not isinstance(node.get("extra_data") or {}, dict):
            message = "expected children to be a list and extra_data an object"
            raise DataError(path, message, field=f"node {node['id']}")
        yield node, parent
        stack += [(child, node["id"]) for child in reversed(children)]


def _common(node: dict[str, Any], path: Path) -> dict[str, Any]:
    extra = node.get("extra_data") or {}
    return {
        "author": _rows.text(node.get("author")),
        "created_utc": _rows.integer(node.get("timestamp")),
        **_rows.of_reddit(extra),
        "provenance": f"{path.name}:{node['id']}",
    }


def _post(node: dict[str, Any], _: str | None, path: Path) -> dict[str, Any]:
    extra = node.get("extra_data") or {}
    return {
        "id": node["id"].removeprefix("t3_"),
        "title": _rows.text(extra.get("title")),
        "selftext": _quoted(node["text"]),
        "num_comments": _rows.integer(extra.get("num_comments")),
        **_common(node, path),
    }


def _reply(node: dict[str, Any], parent: str | None, link: str, path: Path) -> dict[str, Any]:
    top = parent is not None and link == f"t3_{parent.removeprefix('t3_')}"
    return {
        "id": node["id"].removeprefix("t1_"),
        "link_id": link,
        "parent_id": link if top else f"t1_{(parent or '').removeprefix('t1_')}",
        "body": _quoted(node["text"]),
        **_common(node, path),
    }


def _quoted(text: str) -> str:
    """``text`` with upstream's ``<quote>`` marks written as the quoted lines they were."""
    text = text.encode("utf-8", "replace").decode()  # no lone surrogates
    return _QUOTE.sub(
        lambda m: "\n\n> " + m[1].strip().replace("\n", "\n> ") + "\n\n", text
    ).strip()
