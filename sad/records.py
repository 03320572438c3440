"""Folders as typed records, one at a time, with nothing but the base install."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sad.build import folder as built
from sad.build.frames import read_threads
from sad.types import (
    Comment,
    Dialogue,
    Example,
    Span,
    Stance,
    Strategy,
    Submission,
    Thread,
    Turn,
    Utterance,
)


def threads(folder: Path | str) -> Iterator[Thread]:
    """The threads of a thread folder, sorted on their id; comments likewise.

    Comments whose submission is not in the folder are left out.

    Raises:
        DataError: the folder is not a thread folder.
    """
    tables = read_threads(Path(folder))
    below: dict[str, list[Comment]] = {}
    for row in tables["comments"].sort("id").iter_rows(named=True):
        below.setdefault(row["link_id"], []).append(_only(Comment, row))
    for row in tables["submissions"].sort("id").iter_rows(named=True):
        yield Thread(_only(Submission, row), tuple(below.get(f"t3_{row['id']}", ())))


def utterances(folder: Path | str) -> Iterator[Utterance]:
    """The utterances of a built folder, by thread, depth and id.

    Raises:
        DataError: the folder is no finished build.
    """
    for row in built.read(Path(folder), "utterances").iter_rows(named=True):
        labels = {
            "stance": None if row["stance"] is None else Stance(row["stance"]),
            "strategies": Strategy(row["strategy_mask"] or 0),
            "spans": tuple(_span(span) for span in row["spans"] or ()),
        }
        yield _only(Utterance, row | labels)


def dialogues(folder: Path | str, split: str | None = None) -> Iterator[Dialogue]:
    """The dialogues of a built folder, of one split or of all.

    Raises:
        DataError: the folder is no finished build.
    """
    for row in built.read(Path(folder), "dialogues", split).iter_rows(named=True):
        yield _only(Dialogue, row | {"utterance_ids": tuple(row["utterance_ids"])})


def examples(folder: Path | str, split: str | None = None) -> Iterator[Example]:
    """The examples of a labelled folder, of one split or of all.

    Raises:
        DataError: the folder is no finished build, or is not labelled.
    """
    for row in built.read(Path(folder), "examples", split).iter_rows(named=True):
        yield Example(
            dialogue_id=row["dialogue_id"],
            topic=row["topic"],
            history=tuple(_turn(turn) for turn in row["history"]),
            target_stance=Stance(row["target_stance"]),
            target_strategies=Strategy.from_labels(row["target_strategies"]),
            target=row["target"],
        )


def _only(kind: Any, row: dict[str, Any]) -> Any:
    """A ``kind`` from those columns of ``row`` that are its fields."""
    return kind(**{name: row[name] for name in kind.__dataclass_fields__})


def _span(span: dict[str, Any]) -> Span:
    return Span(Strategy.from_labels([span["label"]]), span["start"], span["end"])


def _turn(turn: dict[str, Any]) -> Turn:
    return Turn(Stance(turn["stance"]), turn["text"], Strategy.from_labels(turn["strategies"]))
