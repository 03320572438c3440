"""Labelling built folders and JSONL files with a labeller."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from annotate import votes
from annotate.labeller import Item, Label, Labeller
from sad.build import folder as built
from sad.errors import DataError
from sad.files import atomic
from sad.types import STRATEGY_LABELS

_BATCH = 4096


def label_folder(
    folder: Path, labeller: Labeller, *, on_progress: Callable[[int, int], None] = lambda *_: None
) -> Path:
    """Cast the labeller's vote on every utterance of ``folder``; the vote table written.

    Running it again writes the same bytes.
    """
    rows = built.read(folder, "utterances").select("utterance_id", "text", "parent_id", "thread_id")
    topics = dict(built.read(folder, "dialogues").select("thread_id", "topic").unique().iter_rows())
    texts = dict(rows.select("utterance_id", "text").iter_rows())
    items = [
        Item(name, text, topics.get(thread, ""), (texts[parent],) if parent else ())
        for name, text, parent, thread in rows.iter_rows()
    ]
    cast: list[dict[str, Any]] = []
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        cast += [
            _vote(i, label, labeller) for i, label in zip(batch, labeller.label(batch), strict=True)
        ]
        on_progress(len(cast), len(items))
    path = folder / "votes" / f"{labeller.name}.parquet"
    with built.locked(folder):
        votes.write(pl.DataFrame(cast, schema=votes.VOTES), path)
    return path


def _vote(item: Item, label: Label, labeller: Labeller) -> dict[str, Any]:
    named = [p for p, s in zip(label.scores, STRATEGY_LABELS, strict=True)
             if s in label.strategies.labels()]  # fmt: skip
    return {
        "utterance_id": item.id,
        "annotator": labeller.name,
        "kind": "strategies",
        "value": label.strategies.labels(),
        "spans": _spans(label),
        "confidence": min(named, default=None),
        "source": labeller.source,
        "guideline_version": votes.GUIDELINE_VERSION,
    }


def label_lines(
    source: Path,
    out: Path,
    labeller: Labeller,
    *,
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Label the JSONL file ``source`` into ``out``, line by line in order; lines written.

    Raises:
        DataError: a line is not ``{"id": str, "text": str, ...}``.
    """
    done = 0
    with atomic(out) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        items = _read_lines(source)
        while batch := list(islice(items, _BATCH)):
            file.writelines(_line(*pair) for pair in _labelled(batch, labeller))
            done += len(batch)
            on_progress(done)
    return done


def _labelled(batch: Sequence[Item], labeller: Labeller) -> Iterator[tuple[Item, Label]]:
    return zip(batch, labeller.label(batch), strict=True)


def _read_lines(path: Path) -> Iterator[Item]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _item(path, number, line)


def _item(path: Path, number: int, line: bytes) -> Item:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(path, f"is not JSON ({error})", line=number) from None
    if not isinstance(value, dict):
        raise DataError(path, 'expected {"id": ..., "text": ...}', line=number)
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


def _line(item: Item, label: Label) -> str:
    scores = zip(STRATEGY_LABELS, (round(p, 4) for p in label.scores), strict=True)
    record = {
        "id": item.id,
        "strategies": label.strategies.labels(),
        "scores": dict(scores),
        "spans": _spans(label),
    }
    return json.dumps(record, ensure_ascii=False) + "\n"


def _spans(label: Label) -> list[dict[str, Any]]:
    return [
        {"label": span.label.label, "start": span.start, "end": span.end} for span in label.spans
    ]
