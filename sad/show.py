"""Finding what ``sad show`` prints: a dialogue, a thread or an utterance of a built folder."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from sad.build import folder as built
from sad.errors import DataError


def listing(folder: Path, limit: int = 20) -> pl.DataFrame:
    """The first dialogues: ``dialogue_id, thread_id, split, n_turns, topic``."""
    columns = ["dialogue_id", "thread_id", "split", "n_turns", "topic"]
    rows = built.read(folder, "dialogues", columns=columns)
    return rows.sort("thread_id", "dialogue_id").head(limit)


def find(folder: Path, name: str) -> tuple[str, pl.DataFrame]:
    """(topic, utterances with ``guide`` and ``below``) of ``name``.

    A dialogue comes oldest turn first, a thread in reading order (every reply under its parent),
    an utterance alone. ``guide`` draws the branch that leads to an utterance, ``below`` what goes
    on beside its text; both are empty outside a tree.

    Raises:
        DataError: the folder holds nothing of that name.
    """
    bare = {"guide": pl.lit(""), "below": pl.lit("")}
    dialogue = built.read(folder, "dialogues", where=pl.col("dialogue_id") == name)
    if dialogue.height:
        ids = dialogue.select(utterance_id=pl.col("utterance_ids").explode())
        thread = _utterances(folder, pl.col("thread_id") == dialogue["thread_id"][0])
        turns = ids.join(thread, on="utterance_id", how="left", maintain_order="left")
        return dialogue["topic"][0], turns.with_columns(**bare)
    thread = _utterances(folder, pl.col("thread_id") == name)
    found = (
        _as_tree(thread)
        if thread.height
        else _utterances(folder, pl.col("utterance_id") == name).with_columns(**bare)
    )
    if found.is_empty():
        raise DataError(folder, f"holds no dialogue, thread or utterance {name!r}; see: sad show")
    own = pl.col("thread_id") == found["thread_id"][0]
    return built.read(folder, "dialogues", columns=["topic"], where=own)["topic"][0], found


def _utterances(folder: Path, where: pl.Expr) -> pl.DataFrame:
    return built.read(folder, "utterances", where=where)


_MOST_GUIDES = 12  # beyond that depth a terminal has no room left


def _as_tree(thread: pl.DataFrame) -> pl.DataFrame:
    """``thread`` in reading order, with the guides of its branches."""
    rows = thread.sort("created_utc", "utterance_id", nulls_last=True)
    names = set(rows["utterance_id"])
    children: dict[str | None, list[int]] = {}
    for row, parent in enumerate(rows["parent_id"]):
        children.setdefault(parent if parent in names else None, []).append(row)
    order: list[int] = []
    guides: list[tuple[str, str]] = []
    tops = children.get(None, [])
    stack = [(row, ("", "")) for row in reversed(tops)]
    while stack:
        row, (guide, below) = stack.pop()
        order.append(row)
        replies = children.get(rows["utterance_id"][row], [])
        guides.append((guide, _shortened(below + ("│ " if replies else "  "))))
        for last, reply in enumerate(reversed(replies)):
            branch, on = ("├─", "│ ") if last else ("└─", "  ")
            stack.append((reply, (_shortened(below + branch), _shortened(below + on))))
    drawn = pl.DataFrame(guides, schema=["guide", "below"], orient="row")
    return pl.concat([rows[order], drawn], how="horizontal")


def _shortened(guide: str) -> str:
    """``guide`` without its first levels, where there are too many."""
    levels = guide.removeprefix("… ")
    most = 2 * _MOST_GUIDES
    return guide if len(levels) <= most else "… " + levels[-most:]
