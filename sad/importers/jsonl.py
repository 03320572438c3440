"""Any other forum: one JSON object per line and per post or comment.

| column | what | needed |
| --- | --- | --- |
| id | its name, unique among posts or among comments; a string or a whole number | yes |
| parent | the id of what it answers; ``t3_`` before it says that it is a post | on comments |
| thread | the id of its post; found through the parents where absent | no |
| title | of a post | no |
| text | what was written | no |
| author | a name; leaves a build as a keyed hash only | no |
| time | seconds since 1970 (number or string), or ISO 8601 | no |
| score | a whole number | no |
| delta | of a comment: whether it changed a view, true or false | no |
| delta_by | who said so: op or other | no |
| stance | support (1) or oppose (0), towards the topic | no |
| strategies | a list out of Question, Causality, Example, Analogy, Statement | no |

Other columns are left alone. The source is a file (.jsonl or .ndjson, any compression) or a folder.
A bare parent that names both a post and a comment is the comment, unless that is the row itself.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from sad.errors import LabelError
from sad.importers import _lines, _rows
from sad.types import STANCE_LABELS, STRATEGY_LABELS, Strategy

Row = dict[str, Any]


def read(source: Path) -> tuple[dict[str, pl.DataFrame], Counter[str]]:
    """The thread tables of ``source``; bad lines are counted and left out.

    They are ``bad_json``, ``blank``, ``no_id`` and ``bad_parent`` (it is neither text nor number).

    Raises:
        DataError: no file is found, or none of its lines is an object.
        LabelError: a stance or strategy is outside its closed set.
    """
    counts: Counter[str] = Counter()
    rows: list[Row] = []
    for path in _lines.files(source, ("*.jsonl*", "*.ndjson*")):
        for number, value in _lines.objects(path, counts):
            name = _rows.identifier(value.get("id"))
            if name is None:
                counts["no_id"] += 1
                continue
            row = _row(value, name, path, number)
            if row["parent"] is None and value.get("parent") not in (None, ""):
                counts["bad_parent"] += 1
                continue
            rows.append(row)
    posts = [row for row in rows if row["parent"] is None]
    comments = [row for row in rows if row["parent"] is not None]
    _place(posts, comments)
    told = [t for row in comments for t in _rows.awarded(row["id"], row["delta"], row["by"])]
    labels = [_label(r) for r in rows if r["stance"] is not None or r["strategies"] is not None]
    counts.update(submissions=len(posts), comments=len(comments))
    return _rows.tables(posts, comments, told, labels), counts


def _row(value: Row, name: str, path: Path, number: int) -> Row:
    parent = _rows.identifier(value.get("parent"))
    to_post = str(value.get("parent")).startswith("t3_")
    body = _rows.text(value.get("text"))
    return {
        "id": name,
        "parent": parent,
        "to_post": to_post,
        "thread": _rows.identifier(value.get("thread")),
        "title": _rows.text(value.get("title")),
        "selftext": body,
        "body": body,
        "author": _rows.text(value.get("author")),
        "created_utc": _seconds(value.get("time")),
        "score": _rows.integer(value.get("score")),
        "provenance": f"{path.name}:{number}",
        "delta": value.get("delta"),
        "by": value.get("delta_by"),
        "stance": _stance(value.get("stance"), path, number),
        "strategies": _strategies(value.get("strategies"), path, number),
    }


def _place(posts: list[Row], comments: list[Row]) -> None:
    """Give every comment its ``link_id`` and ``parent_id``."""
    heads = {row["id"] for row in posts}
    parents = {row["id"]: row["parent"] for row in comments}
    threads = {row["id"]: row["thread"] for row in comments if row["thread"]}
    threads |= {row["id"]: row["parent"] for row in comments if row["to_post"]}
    for row in comments:
        walked = []
        here = row["id"]
        while here in parents and here not in threads:
            walked.append(here)
            threads[here] = ""  # a circle ends here
            here = parents[here]
        thread = threads.get(here) or (here if here in heads else "")
        threads |= dict.fromkeys(walked, thread)
    for row in comments:
        thread, parent = threads[row["id"]], row["parent"]
        top = row["to_post"] or parent not in parents or parent == thread == row["id"]
        row["link_id"] = f"t3_{thread}" if thread else None
        row["parent_id"] = f"t3_{parent}" if top else f"t1_{parent}"


def _label(row: Row) -> Row:
    kind = "t3_" if row["parent"] is None else "t1_"
    return {
        "utterance_id": kind + row["id"],
        "stance": row["stance"],
        "strategies": row["strategies"],
    }


def _seconds(value: Any) -> int | None:
    number = _rows.integer(value)
    if number is not None or not isinstance(value, str):
        return number
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def _stance(value: Any, path: Path, number: int) -> int | None:
    if value is None:
        return None
    if value in (0, 1) and not isinstance(value, bool):
        return int(value)
    if value not in STANCE_LABELS:
        raise LabelError(path, f"{value!r} is no stance; give support or oppose", line=number)
    return STANCE_LABELS.index(value)


def _strategies(value: Any, path: Path, number: int) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or any(name not in STRATEGY_LABELS for name in value):
        known = ", ".join(STRATEGY_LABELS)
        raise LabelError(path, f"{value!r} is not a list out of {known}", line=number)
    return Strategy.from_labels(value).labels()
