"""The cells of an Excel sheet, with nothing but the standard library: text and numbers only."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from xml.etree import ElementTree

from sad.errors import DataError

_NAME = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_DECLARED = re.compile(rb"^\s*<\?xml[^>]*encoding=[\"']([\w-]+)")
_MOST_BYTES = 200_000_000
_MOST_COLUMNS = 16_384  # Excel's own limit
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, KeyError, ValueError, IndexError, RuntimeError,
    NotImplementedError, ElementTree.ParseError,
)  # fmt: skip


def rows(path: Path) -> list[list[str | None]]:
    """The rows of the first sheet; a missing cell is null, every row as long as its last cell.

    Raises:
        DataError: the file is no Excel file, or declares a document type (entities could grow
            without bound).
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            shared = [n for n in names if n.endswith("sharedStrings.xml")]
            strings = [
                _text(i) for n in shared for i in _parsed(path, archive, n).iter(f"{_NAME}si")
            ]
            sheet = min(n for n in names if n.startswith("xl/worksheets/sheet"))
            return [
                _cells(row, strings) for row in _parsed(path, archive, sheet).iter(f"{_NAME}row")
            ]
    except _DAMAGED as error:
        raise DataError(path, f"is not a readable Excel file ({error})") from None


def _parsed(path: Path, archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > _MOST_BYTES:
        raise DataError(path, f"{name} is larger than {_MOST_BYTES:,} bytes")
    raw = archive.read(name)
    raw.decode("utf-8")
    declared = _DECLARED.match(raw.removeprefix(b"\xef\xbb\xbf"))
    odd = declared and declared[1].lower() not in (b"utf-8", b"utf8", b"us-ascii")
    if odd or b"\x00" in raw or b"<!DOCTYPE" in raw:
        message = f"{name} is not UTF-8, or declares a document type; no Excel file does"
        raise DataError(path, message)
    return ElementTree.fromstring(raw)  # noqa: S314  no entities without a document type


def _cells(row: ElementTree.Element, strings: list[str]) -> list[str | None]:
    cells: list[str | None] = []
    for cell in row.iter(f"{_NAME}c"):
        column = _column(cell.get("r"), len(cells))
        cells += [None] * (column - len(cells))
        cells.append(_value(cell, strings))
    return cells


def _column(reference: str | None, place: int) -> int:
    """``"C7"`` is column 2."""
    letters = re.match(r"[A-Z]+", reference or "")
    if letters is None:
        return place
    number = 0
    for letter in letters[0]:
        number = number * 26 + ord(letter) - ord("A") + 1
    if number > _MOST_COLUMNS:
        raise ValueError(f"a cell at {reference}")
    return number - 1


def _value(cell: ElementTree.Element, strings: list[str]) -> str | None:
    if cell.get("t") == "inlineStr":
        return _text(cell)
    value = cell.find(f"{_NAME}v")
    if value is None or value.text is None:
        return None
    if cell.get("t") != "s":
        return value.text
    if (place := int(value.text)) < 0:
        raise ValueError("a negative string number")
    return strings[place]


def _text(item: ElementTree.Element) -> str:
    """The text of an item; Excel writes a control character as ``_x000D_``."""
    joined = "".join(part.text or "" for part in item.iter(f"{_NAME}t"))
    plain = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), joined)
    return plain.encode("utf-8", "replace").decode()  # no lone surrogates
