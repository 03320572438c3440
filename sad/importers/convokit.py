"""ConvoKit corpora such as winning-args: a folder of utterances, speakers and conversations.

The form of ConvoKit 5 and its older names (specification data-sources.md, 5). Pickled fields are
never opened: they are skipped and counted.
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
from sad.importers import _lines, _rows
from sad.types import STRATEGY_LABELS

MISSING = "[missing]"
_SUBMISSION = re.compile(r"/comments/(\w+)")


def read(source: Path) -> tuple[dict[str, pl.DataFrame], Counter[str]]:
    """The thread tables of the corpus in the folder ``source``.

    A conversation's root is the post; where ``meta.top_level_comment`` names the root itself
    (conversations-gone-awry) it is a comment of a post that the corpus lacks. ``meta.success`` is
    the outcome: 1 won a delta of the post's author. Counted: ``bad_json`` lines, utterances
    without an id (``no_id``), ``binary_fields``.

    Raises:
        DataError: a file is missing or not of the form.
    """
    counts: Counter[str] = Counter()
    conversations = _objects(source / "conversations.json")
    binary = _binary(source, counts)
    posts: dict[str, dict[str, Any]] = {}
    replies: list[dict[str, Any]] = []
    outcome: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    for utterance in _utterances(source, counts):
        name = _rows.identifier(utterance.get("id"))
        if name is None:
            counts["no_id"] += 1
            continue
        meta = {k: v for k, v in _mapping(utterance.get("meta")).items() if k not in binary}
        about = _about(
            _rows.identifier(_first(utterance, "conversation_id", "root")), conversations
        )
        parent = _rows.identifier(_first(utterance, "reply-to", "reply_to"))
        common = _common(utterance, meta)
        if parent is None and _rows.identifier(meta.get("top_level_comment")) != name:
            text = common.pop("text") or _rows.text(about.get("op-text-body"))
            posts[name] = {"id": name, "title": _title(about), "selftext": text, **common}
            place = f"t3_{name}"
        else:
            thread = _thread(utterance, meta, name, conversations, posts)
            top = parent is None or parent == thread
            above = f"t3_{thread}" if top else f"t1_{parent}"
            replies.append({"id": name, "link_id": f"t3_{thread}", "parent_id": above,
                            "body": common.pop("text"), **common})  # fmt: skip
            by = meta.get("delta_by", "op")
            outcome += _rows.awarded(name, meta.get("success"), by if meta.get("success") else None)
            place = f"t1_{name}"
        labels += _label(place, meta)
    counts.update(submissions=len(posts), comments=len(replies))
    return _rows.tables(posts.values(), replies, outcome, labels), counts


def _thread(
    utterance: dict[str, Any],
    meta: dict[str, Any],
    name: str,
    conversations: dict[str, Any],
    posts: dict[str, dict[str, Any]],
) -> str:
    """The submission that a comment belongs to; made, where the corpus lacks it."""
    given = _rows.identifier(_first(utterance, "conversation_id", "root")) or name
    if _rows.identifier(meta.get("top_level_comment")) != given:
        return given
    link = _SUBMISSION.search(str(meta.get("permalink") or ""))
    thread = link[1] if link else f"c{given}"
    about = _about(given, conversations)
    posts.setdefault(
        thread, {"id": thread, "title": _title(about), "provenance": "conversations.json"}
    )
    return thread


def _utterances(source: Path, counts: Counter[str]) -> Iterator[dict[str, Any]]:
    path = source / "utterances.jsonl"
    if not path.exists():
        legacy = source / "utterances.json"
        if not legacy.exists():
            raise DataError(source, "holds no utterances.jsonl: is it a ConvoKit corpus?")
        found = read_json(legacy)
        if not isinstance(found, list):
            raise DataError(legacy, "expected a list of utterances")
        yield from (value for value in found if isinstance(value, dict))
        return
    yield from (value for _, value in _lines.objects(path, counts))


def _objects(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise DataError(path, "expected an object of conversations")
    return value


def _binary(source: Path, counts: Counter[str]) -> set[str]:
    path = source / "index.json"
    index = _mapping(read_json(path)) if path.exists() else {}
    fields = _mapping(index.get("utterances-index"))
    binary = {
        name
        for name, kinds in fields.items()
        if "bin" in (kinds if isinstance(kinds, list) else [kinds])
    }
    counts["binary_fields"] = len(binary)
    return binary


def _about(conversation: str | None, conversations: dict[str, Any]) -> dict[str, Any]:
    """The meta of a conversation: nested in newer corpora, flat in older ones."""
    value = _mapping(conversations.get(conversation or ""))
    return _mapping(value["meta"]) if "meta" in value else value


def _title(about: dict[str, Any]) -> str | None:
    return _rows.text(_first(about, "op-title", "title"))


def _common(utterance: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    author = _first(utterance, "speaker", "user")
    author = author.get("id") if isinstance(author, dict) else author
    return {
        "text": _rows.text(utterance.get("text")),
        "author": None if author == MISSING else _rows.text(author),
        "created_utc": _rows.integer(utterance.get("timestamp")),
        "score": _rows.integer(_first(meta, "score", "ups")),
        "subreddit": _rows.text(meta.get("subreddit")),
        "distinguished": _rows.text(meta.get("distinguished")),
        "stickied": _rows.boolean(meta.get("stickied")),
        "permalink": _rows.text(meta.get("permalink")),
        "retrieved_on": _rows.integer(meta.get("retrieved_on")),
        "provenance": f"utterances.jsonl:{utterance.get('id')}",
    }


def _label(place: str, meta: dict[str, Any]) -> Iterator[dict[str, Any]]:
    stance, named = meta.get("stance"), meta.get("strategies")
    known = isinstance(named, list) and all(name in STRATEGY_LABELS for name in named)
    if stance in (0, 1) or (known and named):
        yield {"utterance_id": place, "stance": stance if stance in (0, 1) else None,
               "strategies": named if known else None}  # fmt: skip


def _first(row: dict[str, Any], *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
