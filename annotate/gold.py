"""Gold sets: texts with the labels that are known of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotate import training
from annotate.labeller import Item
from annotate.lines import item, read_objects
from sad import sample
from sad.errors import DataError
from sad.files import sha256
from sad.types import STRATEGY_LABELS

Array = NDArray[np.float64]

SEED = 13

OURS = ("sample", "own-topics", "own-batches")
"""Gold of this package: the sample's, and sentences that the labeller ``best`` never saw."""


@dataclass(frozen=True, slots=True)
class Gold:
    """A gold set of N texts; what is not annotated is NaN."""

    name: str
    digest: str
    items: list[Item]
    groups: list[str]  # [N], trees or topics: what intervals are drawn over
    strategies: Array  # [N, L]
    stance: Array  # [N], 1 support, 0 oppose
    of: int | None = None  # texts of the whole set, where this is a part of it

    def some(self, limit: int) -> Gold:
        """At most ``limit`` of the texts, drawn at random by a fixed seed."""
        whole = len(self.items)
        if limit >= whole:
            return self
        places = np.sort(np.random.default_rng(SEED).permutation(whole)[:limit])
        return replace(
            self,
            items=[self.items[i] for i in places],
            groups=[self.groups[i] for i in places],
            strategies=self.strategies[places],
            stance=self.stance[places],
            of=whole,
        )


def load(name: str) -> Gold:
    """The gold set ``name``: one of ``OURS``, or a JSONL file.

    A line of a file is ``{"id", "text", "strategies", "labels_annotated"}``, also with "topic",
    "context", "group" and "stance" (1 or 0). Labels that are not annotated are not judged;
    "id" may be missing.

    Raises:
        DataError: a line is of another form.
    """
    if name == "sample":
        return _of_records(name, sha256(sample.GOLD), _with_threads(sample.gold()))
    if name in OURS:
        sentences = [s for s in training.load() if training.held_out(s) == name.partition("-")[2]]
        lines = "\n".join(f"{s.strategies.value} {s.text}" for s in sentences)
        digest = hashlib.sha256(lines.encode()).hexdigest()
        return _of_records(name, digest, [_record(s) for s in sentences])
    path = Path(name)
    if not path.is_file():
        raise DataError(path, f"is no file, and none of: {', '.join(OURS)}")
    records = []
    for number, value in read_objects(path):
        record = {"id": f"line-{number}", **value}
        item(path, number, record)
        _check(record, path, number)
        records.append(record)
    if not records:
        raise DataError(path, "holds no line")
    return _of_records(path.stem, sha256(path), records)


def _with_threads(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sample's records with their thread as the group and the turn before as context."""
    known = {record["id"]: record for record in records}
    parents = sample.parents()
    return [
        record | {
            "group": record["topic"],
            "context": [known[p]["text"] for p in (parents.get(name),) if p in known],
        }
        for name, record in known.items()
    ]  # fmt: skip


def _record(sentence: training.Sentence) -> dict[str, Any]:
    return {
        "id": sentence.id,
        "text": sentence.text,
        "topic": sentence.topic,
        "group": sentence.topic,
        "strategies": sentence.strategies.labels(),
    }


def _check(value: dict[str, Any], path: Path, number: int) -> None:
    for field in ("strategies", "labels_annotated"):
        names = value.get(field, [])
        if not isinstance(names, list) or any(name not in STRATEGY_LABELS for name in names):
            known = ", ".join(STRATEGY_LABELS)
            raise DataError(path, f"expected a list of {known}", line=number, field=field)
    unknown = set(value.get("strategies", [])) - set(value.get("labels_annotated", STRATEGY_LABELS))
    if "strategies" in value and unknown:
        message = f"{min(unknown)} is not in labels_annotated"
        raise DataError(path, message, line=number, field="strategies")
    if "strategies" not in value and "stance" not in value:
        raise DataError(path, "expected strategies or a stance", line=number)
    if value.get("stance") not in (None, 0, 1):
        raise DataError(path, "expected 0 or 1", line=number, field="stance")


def _of_records(name: str, digest: str, records: list[dict[str, Any]]) -> Gold:
    where = Path(name)
    return Gold(
        name=name,
        digest=digest,
        items=[item(where, number, record) for number, record in enumerate(records, 1)],
        groups=[_group(record) for record in records],
        strategies=np.array([_targets(record) for record in records], np.float64),
        stance=np.array([_side(record.get("stance")) for record in records], np.float64),
    )


def _group(record: dict[str, Any]) -> str:
    """The tree of a text; without one its topic, without that the text alone."""
    return str(record.get("group") or record.get("topic") or record["id"])


def _targets(record: dict[str, Any]) -> list[float]:
    if "strategies" not in record:
        return [np.nan] * len(STRATEGY_LABELS)
    known = record.get("labels_annotated", STRATEGY_LABELS)
    named = record["strategies"]
    return [float(label in named) if label in known else np.nan for label in STRATEGY_LABELS]


def _side(stance: int | None) -> float:
    return np.nan if stance is None else float(stance)
