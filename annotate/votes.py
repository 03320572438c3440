"""Votes: what one annotator said of one utterance, with its provenance. Votes are never edited."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from annotate import guideline
from sad.build import folder as built
from sad.build.folder import SPANS
from sad.build.frames import write_parquet
from sad.errors import DataError, LabelError, SettingsError
from sad.files import atomic
from sad.types import STANCE_LABELS, STRATEGY_LABELS

VOTES: dict[str, Any] = {
    "utterance_id": pl.String,
    "annotator": pl.String,
    "kind": pl.String,  # stance or strategies
    "value": pl.List(pl.String),  # ["support"], or strategies in canonical order
    "spans": SPANS,
    "confidence": pl.Float64,
    "source": pl.String,  # one of SOURCES
    "guideline_version": pl.String,
    "model": pl.String,
    "prompt_digest": pl.String,
    "time": pl.Int64,  # seconds; null where a clock would make the bytes differ
}

GUIDELINE_VERSION = guideline.load().version

SOURCES = ("gold", "crowd", "simulated", "llm", "model", "heuristic")
_SHARD = re.compile(r"(?P<name>.+)-\d{5}-of-(?P<of>\d{5})")
UNCLEAR = "unclear"
"""A stance vote that no side can be told; it is kept, and counts as no side."""
_CLOSED = {"stance": (*STANCE_LABELS, UNCLEAR), "strategies": STRATEGY_LABELS}


def write(votes: pl.DataFrame, path: Path) -> None:
    """Write ``votes`` to ``path``, sorted on utterance, kind and annotator: Parquet or JSONL."""
    rows = votes.select(list(VOTES)).sort("utterance_id", "kind", "annotator")
    if path.suffix == ".jsonl":
        with atomic(path) as temporary:
            rows.write_ndjson(temporary)
    else:
        write_parquet(rows, path)


def append(votes: pl.DataFrame, folder: Path, name: str) -> Path:
    """The new table ``name`` of ``votes`` in the built ``folder``; equal votes may be cast again.

    Raises:
        SettingsError: there are other votes of that name; votes are never replaced.
    """
    path = table(folder, name)
    if path.exists() and not _read_one(path).equals(
        votes.select(list(VOTES)).sort("utterance_id", "kind", "annotator")
    ):
        raise SettingsError(f"{path} holds other votes, which are never replaced; move it away")
    write(votes, path)
    return path


def require_same(path: Path, same: Mapping[str, Any]) -> None:
    """Check that the votes at ``path``, if there are any, have the values ``same`` in its columns.

    Raises:
        SettingsError: they have others; votes are never replaced.
    """
    if not path.exists():
        return
    rows = _read_one(path)
    if others := [name for name, value in same.items() if set(rows[name].unique()) - {value}]:
        raise SettingsError(
            f"{path} holds votes of another {', '.join(others)}, which are never replaced; "
            "move it away"
        )


def table(folder: Path, name: str) -> Path:
    """Where the built ``folder`` keeps the votes of ``name``."""
    return folder / "votes" / f"{name}.parquet"


def files(folder: Path) -> list[Path]:
    """The vote tables of the built ``folder``.

    Raises:
        DataError: there is no finished build in ``folder``, or a table of several is missing.
    """
    built.require_built(folder)
    there = (folder / "votes").glob("*")
    found = sorted(path for path in there if path.suffix in (".parquet", ".jsonl"))
    for path in found:
        if shard := _SHARD.fullmatch(path.stem):
            name, of = shard["name"], int(shard["of"])
            for number in range(of):
                other = table(folder, f"{name}-{number:05d}-of-{of:05d}")
                if not other.exists():
                    raise DataError(other, f"is missing; label again by {name}")
    return found


def texts(folder: Path) -> pl.DataFrame:
    """Per utterance of the built ``folder``: id, ``n_chars``, and whether it is ``blank``."""
    paths = built.files(folder, "utterances")
    rows = (built.read_file(path, "utterances", ["utterance_id", "text"]) for path in paths)
    return pl.concat(frame.select("utterance_id", **TEXT) for frame in rows)


def trees(folder: Path) -> pl.DataFrame:
    """``utterance_id`` and ``thread_id`` of every utterance of the built ``folder``."""
    return built.read(folder, "utterances", columns=["utterance_id", "thread_id"])


TEXT = {
    "n_chars": pl.col("text").str.len_chars(),
    "blank": pl.col("text").str.strip_chars() == "",
}
"""What a check of votes needs of a ``text``."""


def read(paths: Iterable[Path]) -> pl.DataFrame:
    """The votes in the Parquet and JSONL files ``paths``.

    Raises:
        DataError: there is no file, or one is not a vote table.
        LabelError: a vote is outside the closed set of its kind, or cast twice.
    """
    frames = [_read_one(path) for path in paths]
    if not frames:
        raise DataError("votes", "there are none; run: sad annotate label DIR")
    votes = pl.concat(frames)
    twice = votes.filter(pl.struct("utterance_id", "annotator", "kind").is_duplicated())
    if twice.height:
        who, what = twice["annotator"][0], twice["utterance_id"][0]
        raise LabelError("votes", f"{who} voted twice on {what}; give each vote file once")
    return votes


def check_texts(votes: pl.DataFrame, utterances: pl.DataFrame) -> None:
    """Check the votes against the texts they are on (``utterance_id`` and ``TEXT``).

    Raises:
        LabelError: a span lies outside its text, or a text has an empty set of strategies.
    """
    rows = votes.join(utterances, on="utterance_id")
    spans = rows.explode("spans", empty_as_null=False, keep_nulls=False)
    span = pl.col("spans").struct
    start, end = span.field("start"), span.field("end")
    inside = (start >= 0) & (start < end) & (end <= pl.col("n_chars"))
    _refuse("votes", spans.filter(~inside.fill_null(False)), "a span lies outside its text")
    is_set = pl.col("kind") == "strategies"
    bare = is_set & (pl.col("value").list.len() == 0) & ~pl.col("blank")
    _refuse("votes", rows.filter(bare), "a text has at least one strategy")


def _read_one(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".jsonl":
            rows = pl.read_ndjson(path, schema=VOTES)
        else:
            rows = pl.read_parquet(path, glob=False).select(list(VOTES)).cast(pl.Schema(VOTES))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(path, f"is not a vote table ({str(error).partition(chr(10))[0]})") from None
    for column in ("utterance_id", "annotator", "kind", "value", "source"):
        _refuse(path, rows.filter(pl.col(column).is_null()), f"a vote without {column}")
    _refuse(path, rows.filter(~pl.col("kind").is_in(list(_CLOSED))), "no kind of vote", "kind")
    _refuse(path, rows.filter(~pl.col("source").is_in(SOURCES)), "no source of votes", "source")
    chance = pl.col("confidence")
    _refuse(path, rows.filter(~chance.is_between(0, 1)), "a confidence is none from 0 to 1")
    odd = pl.col("annotator").str.contains(r"[\x00-\x1f\x7f-\x9f]") | (pl.col("annotator") == "")
    _refuse(path, rows.filter(odd), "the name of an annotator has signs of control, or none")
    for kind, closed in _CLOSED.items():
        cast = rows.filter(pl.col("kind") == kind)
        values = cast.explode("value", empty_as_null=False, keep_nulls=False)
        unknown = values.filter(~pl.col("value").is_in(closed).fill_null(False))
        _refuse(path, unknown, f"no {kind} vote", "value")
        twice = pl.col("value").list.n_unique() != pl.col("value").list.len()
        _refuse(path, cast.filter(twice), "a label is named twice")
    sides = rows.filter((pl.col("kind") == "stance") & (pl.col("value").list.len() != 1))
    _refuse(path, sides, "a stance vote names one side")
    spans = rows.explode("spans", empty_as_null=False, keep_nulls=False)
    known = pl.col("spans").struct.field("label").is_in(STRATEGY_LABELS).fill_null(False)
    _refuse(path, spans.filter(~known), "a span has no label")
    return rows


def _refuse(path: Path | str, rows: pl.DataFrame, what: str, column: str | None = None) -> None:
    """Raise a LabelError that names the first of ``rows``, if there is one."""
    if rows.height:
        value = f"{rows[column][0]!r} is " if column else ""
        where = f"utterance {rows['utterance_id'][0]} by {rows['annotator'][0]}"
        raise LabelError(path, f"{value}{what}; {rows.height} such, none was used", field=where)
