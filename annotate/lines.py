"""Labelling any texts: a JSONL file in, a JSONL file out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from annotate.labeller import Answer, Item, Label, Labeller, Side
from sad.errors import DataError, SettingsError
from sad.files import atomic
from sad.types import STRATEGY_LABELS

_BATCH = 4096


def label_lines(
    source: Path,
    out: Path,
    labeller: Labeller,
    *,
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Label the JSONL file ``source`` into ``out``, line by line in order; lines written.

    A text that the labeller has no usable answer to gets a line with ``"answer": null``.

    Raises:
        SettingsError: ``out`` is ``source``.
        DataError: a line is not ``{"id": str, "text": str, ...}``.
    """
    if out.exists() and out.samefile(source):
        raise SettingsError(f"{out} is the input, which is never modified; choose another --out")
    done = 0
    with atomic(out) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        items = read_items(source)
        while batch := list(islice(items, _BATCH)):
            labels = labeller.label(batch)
            file.writelines(_line(*pair) for pair in zip(batch, labels, strict=True))
            done += len(batch)
            on_progress(done)
    return done


def read_items(path: Path) -> Iterator[Item]:
    """The texts in the JSONL file ``path``: ``{"id", "text"}``, also "topic" and "context".

    Raises:
        DataError: a line is of another form.
    """
    for number, value in read_objects(path):
        yield item(path, number, value)


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects in the JSONL file ``path`` with their line numbers.

    Raises:
        DataError: a line is not a JSON object.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _object(path, number, line)


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(path, f"is not JSON ({error})", line=number) from None
    if not isinstance(value, dict):
        raise DataError(path, 'expected {"id": ..., "text": ...}', line=number)
    return value


def item(path: Path, number: int, value: dict[str, Any]) -> Item:
    """The text in the line ``number`` of ``path``.

    Raises:
        DataError: a field is missing or of another type.
    """
    for field in ("id", "text"):
        if not isinstance(value.get(field), str):
            raise DataError(path, "expected a string", line=number, field=field)
    topic, context = value.get("topic") or "", value.get("context") or []
    context = [context] if isinstance(context, str) else context
    if not isinstance(topic, str):
        raise DataError(path, "expected a string", line=number, field="topic")
    if not isinstance(context, list) or not all(isinstance(text, str) for text in context):
        raise DataError(path, "expected a list of strings", line=number, field="context")
    # Lone surrogates are no text; one sign stands for one, so that spans keep their places.
    name, text, topic, *around = (
        part.encode("utf-8", "replace").decode()
        for part in (value["id"], value["text"], topic, *context)
    )
    return Item(name, text, topic, tuple(around))


def _line(item: Item, label: Answer) -> str:
    record: dict[str, Any] = {"id": item.id}
    if label is None:
        record["answer"] = None
    elif isinstance(label, Side):
        record["stance"] = None if label.stance is None else int(label.stance)
        record["support"] = round(label.support, 4)
    else:
        scores = zip(STRATEGY_LABELS, (round(p, 4) for p in label.scores), strict=True)
        record["strategies"] = label.strategies.labels()
        record["scores"] = dict(scores)
        record["spans"] = spans_of(label)
    return json.dumps(record, ensure_ascii=False) + "\n"


def spans_of(label: Label) -> list[dict[str, Any]]:
    """The spans of ``label`` as JSON values."""
    return [
        {"label": span.label.label, "start": span.start, "end": span.end} for span in label.spans
    ]
