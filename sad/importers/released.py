"""The authors' two files: sent.json (id -> text) and argument.json (topic, context, attitude).

The form that a third party's loader reads (specification sad.md, 4): ``context`` lists the ids of a
path, oldest first, ``attitude`` a stance (1 support, 0 oppose) for each. Whether the first id is
the post is not known: it is taken for it when every path of a topic begins with it. Keys of ours,
written by ``sad export released`` and read here: ``thread_id``, ``delta``, ``delta_by``,
``strategies``.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from sad.errors import DataError
from sad.files import read_json
from sad.importers import _rows

TEXTS, RECORDS = "sent.json", "argument.json"


@dataclass(slots=True)
class _Trees:
    """What is put together from the records, by id."""

    texts: dict[str, Any]
    posts: dict[str, dict[str, Any]] = field(default_factory=dict)
    replies: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcome: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    ends: list[tuple[str, str]] = field(default_factory=list)  # (post, last utterance) of paths
    counts: Counter[str] = field(default_factory=Counter)


def read(source: Path) -> tuple[dict[str, pl.DataFrame], Counter[str]]:
    """The thread tables of the two files in the folder ``source``: paths merged into trees.

    Counted: ``bad_records`` (no topic, no ids or an id twice: skipped), ``missing_texts`` (the
    comment is kept, its text null), ``unused_texts``, ``misaligned`` (attitude of another length:
    no stance taken), ``conflicts`` (an id under two parents or a post under two topics: the first
    stays), ``not_leaves`` (paths that end where another goes on: a build ends dialogues at leaves
    only). A stance or strategy outside its closed set is null.

    Raises:
        DataError: a file is missing or not of the form.
    """
    texts, records = read_json(source / TEXTS), read_json(source / RECORDS)
    if not isinstance(texts, dict):
        raise DataError(source / TEXTS, "expected an object of id and text")
    if not isinstance(records, list):
        raise DataError(source / RECORDS, "expected a list of records")
    trees = _Trees(texts)
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, record in enumerate(records):
        if (good := _checked(record)) is None:
            trees.counts["bad_records"] += 1
        else:
            good["provenance"] = f"{RECORDS}:{number}"
            groups[_group(good)].append(good)
    for group in groups.values():
        _add(group, trees)
    parents = {(row["link_id"], row["parent_id"]) for row in trees.replies.values()}
    trees.counts.update(
        records=len(records),
        submissions=len(trees.posts),
        comments=len(trees.replies),
        not_leaves=sum(end in parents for end in trees.ends),
        unused_texts=len(texts.keys() - _used(groups)),
    )
    found = (trees.posts, trees.replies, trees.outcome, trees.labels)
    return _rows.tables(*(part.values() for part in found)), trees.counts


def _checked(record: Any) -> dict[str, Any] | None:
    """The record with its ids as strings; None if it has no topic or no ids."""
    if not isinstance(record, dict) or not isinstance(record.get("topic"), str):
        return None
    context = record.get("context")
    if not isinstance(context, list) or not context:
        return None
    ids = [str(x) for x in context if isinstance(x, str | int) and not isinstance(x, bool)]
    if len(set(ids)) != len(context) or not all(map(_rows.identifier, ids)):
        return None
    thread = record.get("thread_id")
    return record | {
        "context": ids,
        "topic": _rows.text(record["topic"]),
        "thread_id": thread if isinstance(thread, str) and _rows.identifier(thread) else None,
    }


def _group(record: dict[str, Any]) -> str:
    """What the records of one thread have in common."""
    head = record["context"][0]
    own = record["thread_id"] or (head if head.startswith("t3_") else None)
    return own or f"topic {record['topic']}"


def _used(groups: dict[str, list[dict[str, Any]]]) -> set[str]:
    return {name for group in groups.values() for record in group for name in record["context"]}


def _add(group: list[dict[str, Any]], trees: _Trees) -> None:
    """Put the records of one thread together."""
    first = group[0]
    heads = {record["context"][0] for record in group}
    stated = first["thread_id"]
    if stated:
        with_post = all(head == stated for head in heads)
        post = _rows.identifier(stated)
    else:
        with_post = len(heads) == 1
        made = hashlib.sha1(first["topic"].encode()).hexdigest()[:12]
        post = _rows.identifier(first["context"][0]) if with_post else f"topic{made}"
    old = trees.posts.setdefault(str(post), {"id": post, "title": first["topic"]})
    trees.counts["conflicts"] += old["title"] != first["topic"]
    old.setdefault("provenance", first["provenance"])
    if with_post and "selftext" not in old:
        old["selftext"] = _said(first["context"][0], trees)
    for record in group:
        _add_path(record, f"t3_{post}", with_post, trees)


def _add_path(record: dict[str, Any], post: str, with_post: bool, trees: _Trees) -> None:
    context = record["context"]
    aligned = {key: _aligned(record.get(key), len(context)) for key in
               ("attitude", "strategies", "delta", "delta_by")}  # fmt: skip
    trees.counts["misaligned"] += "attitude" in record and aligned["attitude"] is None
    above = post
    for place, name in enumerate(context):
        if place or not with_post:
            bare = str(_rows.identifier(name))
            old = trees.replies.get(bare)
            if old is None:
                trees.replies[bare] = {
                    "id": bare, "link_id": post, "parent_id": above,
                    "body": _said(name, trees), "provenance": record["provenance"],
                }  # fmt: skip
            elif (old["link_id"], old["parent_id"]) != (post, above):
                trees.counts["conflicts"] += 1
            above = f"t1_{bare}"
            won, by = (column[place] if (column := aligned[key]) else None
                       for key in ("delta", "delta_by"))  # fmt: skip
            for told in _rows.awarded(bare, won, by):
                trees.outcome.setdefault(bare, told)
        stance, named = (column[place] if (column := aligned[key]) else None
                         for key in ("attitude", "strategies"))  # fmt: skip
        for label in _rows.label(above, stance, named):
            trees.labels.setdefault(above, label)
    trees.ends.append((post, above))


def _aligned(values: Any, n: int) -> list[Any] | None:
    return values if isinstance(values, list) and len(values) == n else None


def _said(name: str, trees: _Trees) -> str | None:
    said = _rows.text(trees.texts.get(name))
    trees.counts["missing_texts"] += said is None
    return said
