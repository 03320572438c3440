"""Finding what ``sad show`` prints: a dialogue, a thread or an utterance of a built folder."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from sad.build import folder as built
from sad.errors import DataError


def listing(folder: Path, limit: int = 20) -> pl.DataFrame:
    """The first dialogues: ``dialogue_id, thread_id, split, n_turns, topic``."""
    rows = built.read(folder, "dialogues").sort("thread_id", "dialogue_id")
    return rows.select("dialogue_id", "thread_id", "split", "n_turns", "topic").head(limit)


def find(folder: Path, name: str) -> tuple[str, pl.DataFrame, bool]:
    """(topic, utterances, whether to indent them as a tree) of ``name``.

    A dialogue comes oldest turn first, a thread in reading order (every reply under its parent),
    an utterance alone.

    Raises:
        DataError: the folder holds nothing of that name.
    """
    utterances = built.read(folder, "utterances")
    dialogues = built.read(folder, "dialogues")
    dialogue = dialogues.filter(pl.col("dialogue_id") == name)
    if dialogue.height:
        ids = dialogue.select(utterance_id=pl.col("utterance_ids").explode())
        turns = ids.join(utterances, on="utterance_id", how="left", maintain_order="left")
        return dialogue["topic"][0], turns, False
    thread = utterances.filter(pl.col("thread_id") == name)
    if thread.height:
        topic = dialogues.filter(pl.col("thread_id") == name)["topic"][0]
        return topic, _reading_order(thread), True
    one = utterances.filter(pl.col("utterance_id") == name)
    if one.is_empty():
        raise DataError(folder, f"holds no dialogue, thread or utterance {name!r}; see: sad show")
    topic = dialogues.filter(pl.col("thread_id") == one["thread_id"][0])["topic"][0]
    return topic, one, False


def _reading_order(thread: pl.DataFrame) -> pl.DataFrame:
    children: dict[str | None, list[int]] = {}
    rows = thread.sort("created_utc", "utterance_id", nulls_last=True)
    for row, parent in enumerate(rows["parent_id"]):
        children.setdefault(parent, []).append(row)
    order: list[int] = []
    stack = children.get(None, [])[::-1]
    while stack:
        row = stack.pop()
        order.append(row)
        stack += children.get(rows["utterance_id"][row], [])[::-1]
    return rows[order]
