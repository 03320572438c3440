"""ConvoKit corpora such as winning-args: a folder of utterances, speakers and conversations.

The form of ConvoKit 5 and its older names (specification data-sources.md, 5). Pickled fields are
never opened: they are skipped and counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sad.errors import DataError
from sad.files import read_json
from sad.importers import _lines, _rows

MISSING = "[missing]"
_SUBMISSION = re.compile(r"/comments/(\w+)")


Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Conversation:
    """Where the utterances of a conversation belong."""

    thread: str
    about: Row  # its meta
    root: str | None  # the utterance that is the post; None: the corpus lacks the post


def read(source: Path) -> tuple[dict[str, pl.DataFrame], Counter[str]]:
    """The thread tables of the corpus in the folder ``source``.

    A conversation's root is the post, its id the conversation's; where ``top_level_comment`` of
    the root names the root itself (conversations-gone-awry) it is a comment of a post that the
    corpus lacks. ``meta.success`` is the outcome: 1 won a delta of the post's author. Counted:
    ``bad_json`` lines, utterances without an id (``no_id``), ``binary_fields``.

    Raises:
        DataError: there are no utterances, or a file is not of the form.
    """
    counts: Counter[str] = Counter()
    index = _object(source / "index.json")
    binary = {kind: _binary(index, f"{kind}-index") for kind in ("utterances", "conversations")}
    counts["binary_fields"] = sum(map(len, binary.values()))
    given = _object(source / "conversations.json")
    utterances = [u | {"meta": _without(_mapping(u.get("meta")), binary["utterances"])}
                  for u in _utterances(source, counts)]  # fmt: skip
    named = [u for u in utterances if _rows.identifier(u.get("id"))]
    counts["no_id"] = len(utterances) - len(named)
    found = _conversations(named, given, binary["conversations"])
    posts: dict[str, Row] = {}
    replies: list[Row] = []
    outcome: list[Row] = []
    labels: list[Row] = []
    for utterance in named:
        name, meta = str(_rows.identifier(utterance["id"])), utterance["meta"]
        home = found[_conversation_of(utterance)]
        common = _common(utterance, meta)
        text = common.pop("text")
        post = {"id": home.thread, "title": _title(home.about)}
        if name == home.root:
            text = text or _rows.text(home.about.get("op-text-body"))
            posts[home.thread] = post | {"selftext": text} | common
        else:
            if home.root is None:
                posts.setdefault(home.thread, post | {"provenance": "conversations.json"})
            replies.append(_reply(utterance, name, home) | {"body": text} | common)
            won = _rows.boolean(meta.get("success"))
            outcome += _rows.awarded(name, won, meta.get("delta_by", "op") if won else None)
        place = f"t3_{home.thread}" if name == home.root else f"t1_{name}"
        labels += _rows.label(place, meta.get("stance"), meta.get("strategies"))
    counts.update(submissions=len(posts), comments=len(replies))
    return _rows.tables(posts.values(), replies, outcome, labels), counts


def _conversations(utterances: list[Row], given: Row, binary: set[str]) -> dict[str, _Conversation]:
    """Every conversation by its id, as its root decides."""
    roots: dict[str, Row] = {}
    for utterance in utterances:
        if _parent(utterance) is None:
            roots.setdefault(_conversation_of(utterance), utterance)
    found = {}
    for name in dict.fromkeys(map(_conversation_of, utterances)):
        value = _mapping(given.get(name))
        about = _without(_mapping(value["meta"]) if "meta" in value else value, binary)
        root = roots.get(name)
        head = _rows.identifier(root["id"]) if root else None
        if root and _rows.identifier(root["meta"].get("top_level_comment")) == head:
            link = _SUBMISSION.search(str(root["meta"].get("permalink") or ""))
            found[name] = _Conversation(link[1] if link else f"c{name}", about, None)
        else:
            # Without a root the post is missing, and so it is in the tables.
            found[name] = _Conversation(name, about, head or name)
    return found


def _reply(utterance: Row, name: str, home: _Conversation) -> Row:
    parent = _parent(utterance)
    top = parent is None or parent in (home.root, home.thread)
    above = f"t3_{home.thread}" if top else f"t1_{parent}"
    return {"id": name, "link_id": f"t3_{home.thread}", "parent_id": above}


def _parent(utterance: Row) -> str | None:
    return _rows.identifier(_first(utterance, "reply-to", "reply_to"))


def _conversation_of(utterance: Row) -> str:
    given = _rows.identifier(_first(utterance, "conversation_id", "root"))
    return given or str(_rows.identifier(utterance["id"]))


def _utterances(source: Path, counts: Counter[str]) -> Iterator[Row]:
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


def _object(path: Path) -> Row:
    """The object in the file at ``path``; an absent file is an empty one."""
    value = read_json(path) if path.exists() else {}
    if not isinstance(value, dict):
        raise DataError(path, "expected an object")
    return value


def _binary(index: Row, part: str) -> set[str]:
    """The fields that the corpus keeps in pickles."""
    fields = _mapping(index.get(part))
    return {
        n for n, kinds in fields.items() if "bin" in (kinds if isinstance(kinds, list) else [kinds])
    }


def _without(meta: Row, names: set[str]) -> Row:
    return {name: value for name, value in meta.items() if name not in names}


def _title(about: Row) -> str | None:
    return _rows.text(_first(about, "op-title", "title"))


def _common(utterance: Row, meta: Row) -> Row:
    author = _first(utterance, "speaker", "user")
    author = author.get("id") if isinstance(author, dict) else author
    return {
        "text": _rows.text(utterance.get("text")),
        "author": None if author == MISSING else _rows.text(author),
        "created_utc": _rows.integer(utterance.get("timestamp")),
        **_rows.of_reddit(meta),
        "provenance": f"utterances.jsonl:{utterance.get('id')}",
    }


def _first(row: Row, *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _mapping(value: Any) -> Row:
    return value if isinstance(value, dict) else {}
