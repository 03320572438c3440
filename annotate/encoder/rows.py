"""What an encoder learns from: texts with targets, of our own or from a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annotate import gold, training
from annotate.labeller import Item, Kind
from sad.errors import DataError
from sad.types import STRATEGY_LABELS, Stance

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Row:
    """A text, what stands around it, and 1, 0 or None (not annotated) per label."""

    text: str
    around: str
    targets: tuple[float | None, ...]
    group: str  # rows of a group are never divided between training and validation


def around(topic: str, before: str = "") -> str:
    """The second segment of a strategy encoder: the topic, then the sentence before."""
    return " ".join(part for part in (topic.strip(), before.strip()) if part)


def of_training(sentences: Iterable[training.Sentence]) -> list[Row]:
    """A row per sentence of our own text, with its five strategies."""
    rows, last = [], None
    for sentence in sentences:
        before = last.text if last and last.utterance == sentence.utterance else ""
        named = sentence.strategies.labels()
        targets = tuple(float(label in named) for label in STRATEGY_LABELS)
        rows.append(Row(sentence.text, around(sentence.topic, before), targets, sentence.topic))
        last = sentence
    return rows


def stances_of_training(sentences: Iterable[training.Sentence]) -> list[Row]:
    """A row per utterance of our own text that takes a side, with 1 for support."""
    rows = []
    for utterance in training.utterances(sentences):
        first = utterance[0]
        if first.stance is not None:
            text, _ = training.whole(utterance)
            target = float(first.stance is Stance.SUPPORT)
            rows.append(Row(text, first.topic, (target,), first.topic))
    return rows


def read(path: Path, kind: Kind) -> list[Row]:
    """The rows of a gold file (``annotate.gold.load``) that say anything of ``kind``.

    Raises:
        DataError: a line is of another form, or none says anything of ``kind``.
    """
    known = gold.load(str(path))
    table = known.strategies if kind == "strategies" else known.stance[:, None]
    rows = [
        Row(
            item.text,
            _around(item, kind),
            tuple(None if np.isnan(t) else float(t) for t in row),
            group,
        )
        for item, row, group in zip(known.items, table, known.groups, strict=True)
        if item.text.strip() and not np.isnan(row).all()
    ]
    if not rows:
        raise DataError(path, f"holds no {kind} to learn from")
    return rows


def _around(item: Item, kind: Kind) -> str:
    """Turns before a text are not shown: strategies are asked of sentences, which have none."""
    return item.topic if kind == "stance" else around(item.topic, "")


def matrix(rows: Sequence[Row]) -> Array:
    """The targets of ``rows``, NaN where a label is not annotated: [N, L]."""
    return np.array([[np.nan if t is None else t for t in row.targets] for row in rows], np.float32)


def divided(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """``rows`` divided by a hash of their group; the second part holds about ``share`` of them."""
    parts: tuple[list[Row], list[Row]] = ([], [])
    for row in rows:
        digest = hashlib.sha256(f"{seed} {row.group}".encode()).digest()
        parts[int.from_bytes(digest[:4], "big") < share * 2**32].append(row)
    return parts
