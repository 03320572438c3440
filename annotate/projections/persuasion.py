"""PersuasionForGood (Apache-2.0): sentences of dialogues about a donation.

Inquiries are Questions; personal stories, examples of donations and self-modelling are Examples.
Its inquiries serve a talk and not a debate, and a question of the persuadee is labelled only where
it asks about the task: so only the persuader's sentences are taken. Causality and Analogy have no
label of their own there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sad.errors import DataError
from sad.importers import _xlsx

FILE = "data/AnnotatedData/300_dialog.xlsx"

_QUESTION = {
    "task-related-inquiry", "non-personal-Task-related-inquiry", "source-related-inquiry",
    "personal-related-inquiry",
}  # fmt: skip
_EXAMPLE = {"personal-story", "example-donation", "self-modeling"}
_COLUMNS = ("B2", "B4", "Unit", "er_label_1", "er_label_2")


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """A line per sentence of a persuader; sentences of one dialogue are a group.

    Raises:
        DataError: the file is missing or has other columns.
    """
    path = folder / FILE
    if not path.is_file():
        raise DataError(path, "is missing")
    head, *body = _xlsx.rows(path) or [[]]
    if missing := [name for name in _COLUMNS if name not in head]:
        raise DataError(path, "the column is missing", field=missing[0])
    places = [head.index(name) for name in _COLUMNS]
    for number, cells in enumerate(body, 2):
        row = [cells[place] if place < len(cells) else None for place in places]
        dialogue, role, text, *labels = row
        if text and role in ("0", "0.0") and labels[0]:
            yield _line(number, str(dialogue), text, {label for label in labels if label})


def _line(number: int, dialogue: str, text: str, labels: set[str]) -> dict[str, Any]:
    found = [name for name, those in (("Question", _QUESTION), ("Example", _EXAMPLE))
             if labels & those]  # fmt: skip
    return {
        "id": f"p4g-{number}",
        "text": text.strip(),
        "strategies": found,
        "labels_annotated": ["Question", "Example"],
        "group": dialogue,
    }
