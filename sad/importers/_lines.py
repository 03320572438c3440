"""JSON objects of newline-delimited files of any compression, bad lines counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sad.build.readers import batches
from sad.errors import DataError


def objects(path: Path, counts: Counter[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of each good line of ``path``.

    ``counts`` gains ``blank``, ``bad_json`` and ``too_long``.

    Raises:
        DataError: the file is damaged, or no line of it is an object.
    """
    number = good = bad = 0
    for batch in batches(path, counts):
        for line in batch.split(b"\n"):
            number += 1
            if not line.strip():
                counts["blank"] += 1
                continue
            value = _parsed(line)
            if value is None:
                bad += 1
            else:
                good += 1
                yield number, value
    counts["bad_json"] += bad
    del counts["seen"]
    if bad and not good:
        raise DataError(path, "no line is a JSON object; give one object per line")


def files(source: Path, names: tuple[str, ...]) -> list[Path]:
    """``source`` if it is a file, else the files in it that one of the patterns ``names`` fits.

    Raises:
        DataError: no file fits.
    """
    if not source.is_dir():
        return [source]
    found = sorted({path for name in names for path in source.glob(name)})
    if not found:
        raise DataError(source, f"holds no {' or '.join(names)}")
    return found


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
