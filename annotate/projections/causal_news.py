"""Causal News Corpus (CC0): sentences of protest news; 1 if a cause and its effect are both in it.

News causality also counts causes that nobody argues with; the text is tokenised, which is undone.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sad.errors import DataError

FILES = ("data/V2/train_subtask1.csv", "data/V2/dev_subtask1.csv")

_BEFORE = re.compile(r" (?=[.,;:!?%)\]]|n't\b|'s\b|’ s\b)")
_AFTER = re.compile(r"(?<=[(\[$]) ")


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """A line per labelled sentence; sentences of one article are a group.

    Raises:
        DataError: a file is missing or has other columns.
    """
    for name in FILES:
        path = folder / name
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                for row in csv.DictReader(file):
                    yield _line(row)
        except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
            raise DataError(path, f"is not a file of the Causal News Corpus ({error!r})") from None


def _line(row: dict[str, str]) -> dict[str, Any]:
    return {
        "id": f"cnc-{row['index']}",
        "text": _AFTER.sub("", _BEFORE.sub("", row["text"])).strip(),
        "strategies": ["Causality"] if int(row["label"]) else [],
        "labels_annotated": ["Causality"],
        "group": row["index"].rpartition("_")[0],
    }
