"""Pushshift and Arctic Shift dumps: newline-delimited JSON, plain, gz, bz2, xz or zst."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl
import zstandard

from sad.build.frames import COMMENTS, SUBMISSIONS, Schema
from sad.build.zst import ZstReader
from sad.errors import DataError

BATCH_BYTES = 16 << 20
MAX_LINE_BYTES = 4 << 20
_PIECE_BYTES = 1 << 18
_NEWLINE = 10
_CONTROL = np.isin(np.arange(256), [c for c in range(32) if c != _NEWLINE])
_MOST_ODD = 200  # lines of a batch that are read one by one


_OPENERS: dict[str, tuple[bytes, Callable[[IO[bytes]], Any]]] = {
    ".zst": (b"\x28\xb5\x2f\xfd", ZstReader),
    ".gz": (b"\x1f\x8b", gzip.open),
    ".bz2": (b"BZh", bz2.open),
    ".xz": (b"\xfd7zXZ\x00", lzma.open),
}
"""File ending -> magic bytes and opener. The bytes decide; the ending must agree."""

LEFT_OUT = ("blank", "bad_json", "too_long", "no_id", "other_subreddit")
"""The reasons for which a line is left out."""

_COMMON = ("id", "author", "created_utc", "distinguished", "retrieved_on")

SUBMISSION: Schema = {name: SUBMISSIONS[name] for name in (*_COMMON, "title", "selftext")}
COMMENT: Schema = {
    **{name: COMMENTS[name] for name in (*_COMMON, "link_id", "parent_id", "is_submitter", "body")},
    "delta": pl.String,
    "delta_by": pl.String,
}
"""The fields that a build needs. The last two are ours, in exported comments: ``true``, ``false``
or ``unknown``, and who awarded it."""

_RETRIEVED = ("retrieved_utc", "_meta")  # later names of the time of retrieval

_BROKEN = (OSError, EOFError, lzma.LZMAError, zlib.error, zstandard.ZstdError)


@dataclass(frozen=True, slots=True)
class Reading:
    """How dumps are read."""

    subreddit: str | None = None  # other lines are skipped, any case; None keeps all
    max_line_bytes: int = MAX_LINE_BYTES
    allow_truncated: bool = False


def rows(path: Path, fields: Schema, how: Reading, counts: Counter[str]) -> Iterator[pl.DataFrame]:
    """The ``fields`` of every good line of ``path``, a batch at a time, in file order.

    ``counts`` gains ``seen`` (lines), ``kept``, ``undecodable`` (kept, bytes replaced), ``nul``
    (lines with a NUL), ``damaged_files``, and what was left out: ``LEFT_OUT``. The next batch is
    decompressed while the caller works on this one.

    Raises:
        DataError: the file cannot be decompressed, or no line of it is a JSON object.
    """
    names = [*dict.fromkeys([*fields, "subreddit", *_RETRIEVED])]
    here: Counter[str] = Counter()
    ahead: Counter[str] = Counter()  # of the other thread
    lines = batches(
        path, ahead, max_line_bytes=how.max_line_bytes, allow_truncated=how.allow_truncated
    )
    with closing(_ahead(lines)) as ready:
        for batch in ready:
            kept = _select(_parse(batch, names, here), how.subreddit, here)
            yield _typed(kept, fields)
    here += ahead
    if here["seen"] > here["blank"] and here["seen"] == here["blank"] + here["bad_json"]:
        raise DataError(path, "no line is a JSON object; give a dump of one object per line")
    counts += here


def _ahead(items: Iterator[bytes]) -> Generator[bytes]:
    """``items``, each made by another thread while the one before it is in use."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def batches(
    path: Path,
    counts: Counter[str] | None = None,
    *,
    max_line_bytes: int = MAX_LINE_BYTES,
    allow_truncated: bool = False,
) -> Iterator[bytes]:
    """Decompressed whole lines of ``path``, about 16 MiB at a time; memory is bounded.

    A line of more than ``max_line_bytes`` is left out; ``counts`` gains it under ``seen`` and
    ``too_long``. With ``allow_truncated`` a damaged file gives what comes before the damage, and
    ``counts`` gains ``damaged_files``.

    Raises:
        DataError: the file is truncated, damaged, or not of the form its ending says.
    """
    counts = Counter() if counts is None else counts
    rest, skipping = b"", False
    for chunk in _chunks(path, counts, allow_truncated):
        if skipping:  # the first newline ends the line that is too long
            _, newline, chunk = chunk.partition(b"\n")
            if not newline:
                continue
        head, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline:
            yield from _without_long(head, max_line_bytes, counts)
        skipping = len(rest) > max_line_bytes
        if skipping:
            counts.update(seen=1, too_long=1)
            rest = b""
    if rest:
        yield rest


def _chunks(path: Path, counts: Counter[str], allow_truncated: bool) -> Iterator[bytes]:
    """Decompressed bytes of ``path``, about ``BATCH_BYTES`` at a time."""
    parts: list[bytes] = []
    size = 0
    with path.open("rb") as file:
        stream = _opened(path, file)
        while True:
            try:
                # One read at a time, so that an error costs no bytes before it.
                piece = stream.read1(_PIECE_BYTES)
            except _BROKEN as error:
                if not allow_truncated:
                    message = f"damaged or truncated near byte {file.tell()} ({error})"
                    hint = "fetch it again, or keep its good lines with --allow-truncated"
                    raise DataError(path, f"{message}; {hint}") from None
                counts["damaged_files"] += 1
                break
            if not piece:
                break
            parts.append(piece)
            size += len(piece)
            if size >= BATCH_BYTES:
                yield b"".join(parts)
                parts, size = [], 0
    if last := b"".join(parts):
        yield last


def _without_long(batch: bytes, limit: int, counts: Counter[str]) -> Iterator[bytes]:
    place = 0
    while len(batch) - place > limit:
        newline = batch.rfind(b"\n", place, place + limit + 1)
        if newline < 0:
            break
        place = newline + 1
    else:
        yield batch
        return
    lines = batch.split(b"\n")
    good = [line for line in lines if len(line) <= limit]
    counts.update(seen=len(lines) - len(good), too_long=len(lines) - len(good))
    if good:
        yield b"\n".join(good)


def _opened(path: Path, file: IO[bytes]) -> Any:
    head = file.read(8)
    file.seek(0)
    for ending, (magic, opener) in _OPENERS.items():
        if head.startswith(magic):
            return opener(file)
        if path.suffix == ending and head:
            raise DataError(path, f"is named {ending} but is not such a file (at byte 0)")
    return file


def _parse(batch: bytes, names: list[str], counts: Counter[str]) -> pl.DataFrame:
    lines = int(np.count_nonzero(np.frombuffer(batch, np.uint8) == 10)) + 1
    counts["seen"] += lines
    if b"\x00" in batch:
        counts["nul"] += sum(b"\x00" in line for line in batch.split(b"\n"))
    if not _is_utf8(batch):
        batch = b"\n".join(_mended(line, counts) for line in batch.split(b"\n"))
    frame = _objects(batch, dict.fromkeys(names, pl.String))
    if frame.height < lines:
        blank = sum(not line.strip() for line in batch.split(b"\n"))
        counts["blank"] += blank
        counts["bad_json"] += lines - blank - frame.height
    return frame


def _is_utf8(batch: bytes) -> bool:
    # Both are faster than Python's decoder, which makes a string of what it reads.
    if batch.isascii():
        return True
    try:
        pl.Series([batch]).cast(pl.String)
    except pl.exceptions.ComputeError:
        return False
    return True


def _mended(line: bytes, counts: Counter[str]) -> bytes:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        counts["undecodable"] += 1
        return line.decode("utf-8", "replace").encode()
    return line


def _objects(batch: bytes, schema: dict[str, type[pl.String]]) -> pl.DataFrame:
    """The objects of ``batch``, in any order.

    A line is read in the same way whatever its neighbours are: if the batch does not parse, the
    lines that do not look like objects are read one by one, and the rest is halved down to the
    lines at fault.
    """
    try:
        # With an all-text schema polars writes numbers and booleans as text, which is what the
        # dumps need: the type of a field changes from month to month.
        return pl.read_ndjson(io.BytesIO(batch), schema=schema)
    except pl.exceptions.PolarsError:
        if b"\n" not in batch:
            row = _object(batch)
            texts = [] if row is None else [[_text(row.get(name)) for name in schema]]
            return pl.DataFrame(texts, schema=schema, orient="row")
        return pl.concat(_objects(part, schema) for part in _parts(batch))


def _parts(batch: bytes) -> list[bytes]:
    """The lines of ``batch`` that look like objects, and each other one; or its halves."""
    data = np.frombuffer(batch, np.uint8)
    ends = np.append(np.flatnonzero(data == _NEWLINE), len(data))
    starts = np.append(0, ends[:-1] + 1)
    odd = (
        np.bincount(np.searchsorted(ends, np.flatnonzero(_CONTROL[data])), minlength=len(ends)) > 0
    )
    odd |= data[np.minimum(starts, len(data) - 1)] != ord("{")
    odd |= data[np.maximum(ends - 1, 0)] != ord("}")
    rows = np.flatnonzero(odd)
    if not 0 < len(rows) <= min(_MOST_ODD, len(ends) - 1):
        middle = batch.find(b"\n", len(batch) // 2)
        middle = middle if middle >= 0 else batch.rfind(b"\n")
        return [batch[:middle], batch[middle + 1 :]]
    within = np.repeat(odd, ends + 1 - starts)[: len(data)]
    rest = data[~within].tobytes().removesuffix(b"\n")  # of the line before a last odd one
    return [rest, *(batch[starts[row] : ends[row]] for row in rows)]


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line, strict=False)  # raw NUL and control characters occur
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # lone surrogates
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else json.dumps(value)


def _select(frame: pl.DataFrame, subreddit: str | None, counts: Counter[str]) -> pl.DataFrame:
    with_id = _where(frame, pl.col("id") != "", missing=False)
    counts["no_id"] += frame.height - with_id.height
    kept = with_id
    if subreddit is not None:
        here = pl.col("subreddit").str.to_lowercase() == subreddit.lower()
        kept = _where(with_id, here, missing=True)
    counts["other_subreddit"] += with_id.height - kept.height
    counts["kept"] += kept.height
    return kept


def _where(frame: pl.DataFrame, condition: pl.Expr, *, missing: bool) -> pl.DataFrame:
    """The rows for which ``condition`` holds; mostly all of them, which then cost no copy."""
    good = frame.select(condition.fill_null(missing)).to_series()
    return frame if good.all() else frame.filter(good)


def _typed(frame: pl.DataFrame, fields: Schema) -> pl.DataFrame:
    second = pl.col("_meta").str.extract(r'"retrieved_2nd_on"\s*:\s*"?(\d+)')
    times = [_integer(time) for time in (pl.col("retrieved_on"), pl.col("retrieved_utc"), second)]
    frame = frame.with_columns(retrieved_on=pl.max_horizontal(times).cast(pl.String))
    return frame.select(_cast(pl.col(name), dtype).alias(name) for name, dtype in fields.items())


def _cast(column: pl.Expr, dtype: type[pl.DataType]) -> pl.Expr:
    if dtype is pl.Int64:
        return _integer(column)
    return column == "true" if dtype is pl.Boolean else column


def _integer(column: pl.Expr) -> pl.Expr:
    """``"1491210000"``, ``"1491210000.0"`` and null; anything else is null."""
    return column.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
