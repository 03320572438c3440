"""change-my-view-modes: XML files of one two-party path each, merged into trees by submission.

The form of Hidey et al. 2017 (specification 1.1). The folder ``positive`` holds paths whose
challenger earned a delta, ``negative`` those whose challenger did not.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sad.build.frames import COMMENTS, OUTCOME, SUBMISSIONS
from sad.errors import DataError

_THREAD = re.compile(r'<thread ID="(\w+)">\s*<title>(.*?)</title>', re.DOTALL)
_SOURCE = re.compile(r"<source>(.*?)</source>", re.DOTALL)
_TURN = re.compile(
    r'<(OP|reply)(?: id="(\w+)")? author="([^"]*)"\s*>(.*?)(?=</OP>|</reply>|<reply )', re.DOTALL
)
_TAG = re.compile(r"</?(?:claim|premise|argument)\b[^<>]*>")


@dataclass(frozen=True, slots=True)
class PathFile:
    """One file: a submission and the replies under it, each answering the one before."""

    thread: str
    title: str
    source: str
    turns: list[tuple[str, str, str]]  # id ("" for the post), author, text
    delta: bool
    name: str


def read(source: Path) -> tuple[dict[str, pl.DataFrame], Counter[str]]:
    """The thread tables of all numbered files below ``positive`` and ``negative`` of ``source``.

    ``source`` may also be the folder above, whose ``original`` is then taken. Paths of one
    submission become one tree: the longest text of a post or reply found in them is kept (later
    copies carry more edits), and a reply with several parents stays at the first, counted as
    ``conflicts``. The outcome of a path is given to its last comment by the challenger.

    Raises:
        DataError: no file is found, or one is not of the form.
    """
    folder = source if (source / "positive").is_dir() else source / "original"
    files = sorted((p for p in folder.glob("*/*.xml")), key=lambda p: (p.parent.name, p.name))
    chosen = [p for p in files if p.parent.name in ("positive", "negative") and _is_numbered(p)]
    if not chosen:
        raise DataError(source, "holds no positive/N.xml or negative/N.xml")
    paths = [_parse(path) for path in chosen]
    counts = Counter(files=len(files), paths=len(paths), skipped=len(files) - len(paths))
    posts: dict[str, dict[str, Any]] = {}
    replies: dict[str, dict[str, Any]] = {}
    outcome: dict[str, bool] = {}
    for path in paths:
        _merge(path, posts, replies, counts)
        op = path.turns[0][1]
        challenger = [name for name, author, _ in path.turns[1:] if author != op]
        if challenger:
            outcome[challenger[-1]] = outcome.get(challenger[-1], False) or path.delta
    counts.update(submissions=len(posts), comments=len(replies))
    rows = [{"comment_id": k, "delta": v, "by": None} for k, v in outcome.items()]
    return {
        "submissions": pl.DataFrame(list(posts.values()), schema=SUBMISSIONS),
        "comments": pl.DataFrame(list(replies.values()), schema=COMMENTS),
        "outcome": pl.DataFrame(rows, schema=OUTCOME),
    }, counts


def _is_numbered(path: Path) -> bool:
    return re.match(r"^\d+(?:_|\.)", path.name) is not None


def _parse(path: Path) -> PathFile:
    text = path.read_text(encoding="utf-8", errors="replace")
    head = _THREAD.search(text)
    turns = [(i or "", author, _plain(body)) for _, i, author, body in _TURN.findall(text)]
    if head is None or len(turns) < 2:
        raise DataError(path, "expected <thread ID=...>, <title>, <OP> and <reply>")
    link = _SOURCE.search(text)
    name = f"{path.parent.name}/{path.name}"
    title, source = _plain(head[2]), link[1].strip() if link else ""
    return PathFile(head[1], title, source, turns, path.parent.name == "positive", name)


def _plain(text: str) -> str:
    """``text`` without annotation tags, as the dump had it (one level of entities undone)."""
    return html.unescape(_TAG.sub("", text)).strip()


def _merge(
    path: PathFile,
    posts: dict[str, dict[str, Any]],
    replies: dict[str, dict[str, Any]],
    counts: Counter[str],
) -> None:
    _, author, text = path.turns[0]
    post = posts.setdefault(path.thread, {"id": path.thread, "title": path.title, "selftext": ""})
    post |= {"author": author, "subreddit": "changemyview", "permalink": path.source}
    post |= {"provenance": post.get("provenance") or path.name}
    post["selftext"] = max(post["selftext"], text, key=len)
    above = f"t3_{path.thread}"
    for name, author, text in path.turns[1:]:
        old = replies.get(name)
        if old is None:
            replies[name] = {
                "id": name, "link_id": f"t3_{path.thread}", "parent_id": above, "body": text,
                "author": author, "subreddit": "changemyview", "provenance": path.name,
            }  # fmt: skip
        else:
            counts["shared"] += 1
            counts["conflicts"] += old["parent_id"] != above
            old["body"] = max(old["body"], text, key=len)
        above = f"t1_{name}"
