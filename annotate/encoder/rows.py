"""What an encoder learns from: texts with targets, of our own or from a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotate import training
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
            text = " ".join(sentence.text for sentence in utterance)
            target = float(first.stance is Stance.SUPPORT)
            rows.append(Row(text, first.topic, (target,), first.topic))
    return rows


def read(path: Path, kind: str) -> list[Row]:
    """The rows of a JSONL file.

    A line is ``{"text": str, "strategies": [...], "labels_annotated": [...], "topic": str,
    "context": str, "group": str}``; of the last four each may be missing. For ``kind`` stance it
    is ``{"text": str, "topic": str, "stance": 0 or 1}``.

    Raises:
        DataError: a line is of another form.
    """
    rows = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                rows.append(_row(_object(path, number, line), kind, path, number))
    if not rows:
        raise DataError(path, "holds no line to learn from")
    return rows


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(path, f"is not JSON ({error})", line=number) from None
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise DataError(path, 'expected {"text": ..., ...}', line=number)
    return value


def _row(value: dict[str, Any], kind: str, path: Path, number: int) -> Row:
    for field in ("topic", "context", "group"):
        if not isinstance(value.get(field) or "", str):
            raise DataError(path, "expected a string", line=number, field=field)
    text, topic = value["text"], value.get("topic") or ""
    group = value.get("group") or topic or text
    if kind == "stance":
        if value.get("stance") not in (0, 1):
            raise DataError(path, "expected 0 or 1", line=number, field="stance")
        return Row(text, topic, (float(value["stance"]),), group)
    known = _labels(value, "labels_annotated", path, number, STRATEGY_LABELS)
    named = _labels(value, "strategies", path, number, None)
    targets = tuple(float(label in named) if label in known else None for label in STRATEGY_LABELS)
    return Row(text, around(topic, value.get("context") or ""), targets, group)


def _labels(
    value: dict[str, Any], field: str, path: Path, number: int, default: Sequence[str] | None
) -> list[str]:
    found = value.get(field, default)
    if not isinstance(found, list | tuple) or any(label not in STRATEGY_LABELS for label in found):
        raise DataError(path, f"expected labels of {STRATEGY_LABELS}", line=number, field=field)
    return list(found)


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
