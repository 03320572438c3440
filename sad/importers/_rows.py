"""Rows of importers as thread tables; and values of other forms as ours, or null."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import polars as pl

from sad.build.frames import TABLES
from sad.types import STRATEGY_LABELS, Strategy

Rows = Iterable[dict[str, Any]]


def tables(
    posts: Rows, replies: Rows, outcome: Rows = (), labels: Rows = ()
) -> dict[str, pl.DataFrame]:
    """The tables of ``frames.TABLES``; what a row does not say is null."""
    rows = dict(zip(TABLES, (posts, replies, outcome, labels), strict=True))
    return {
        name: pl.DataFrame(
            {c: [row.get(c) for row in listed] for c in TABLES[name]}, schema=TABLES[name]
        )
        for name, listed in ((name, list(given)) for name, given in rows.items())
    }


def text(value: Any) -> str | None:
    """A string as it is, without lone surrogates; anything else is null."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def identifier(value: Any) -> str | None:
    """The id in ``value``, a string or a whole number, without ``t1_`` or ``t3_``; else null."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as tables with missing ids write them
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    name = text(value)
    return name.removeprefix("t1_").removeprefix("t3_") or None if name else None


def integer(value: Any) -> int | None:
    """A number, or one in a string, cut to a whole one; anything else is null."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if math.isfinite(number) and abs(number) < 2**63 else None


def boolean(value: Any) -> bool | None:
    """``true``, 1 and ``"1"`` are true, their opposites false; anything else is null."""
    known = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    return known.get(str(value).lower())


def of_reddit(item: dict[str, Any]) -> dict[str, Any]:
    """The columns that posts and comments share, from fields with Reddit's names."""
    score = item.get("score")
    return {
        "score": integer(item.get("ups") if score is None else score),
        "subreddit": text(item.get("subreddit")),
        "distinguished": text(item.get("distinguished")),
        "stickied": boolean(item.get("stickied")),
        "permalink": text(item.get("permalink")),
        "retrieved_on": integer(item.get("retrieved_on")),
    }


def side(value: Any) -> int | None:
    """A stance, 1 (support) or 0 (oppose); anything else is null."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and value in (0, 1)
    return int(value) if known else None


def named(value: Any) -> list[str] | None:
    """A list of strategies in canonical order; null if it is none, or names another."""
    listed = isinstance(value, list) and all(isinstance(name, str) for name in value)
    if not listed or not set(value) <= set(STRATEGY_LABELS):
        return None
    return Strategy.from_labels(value).labels()


def label(utterance: str, stance: Any, strategies: Any) -> Rows:
    """The label row of an utterance, if a stance or strategies are known."""
    found = {"stance": side(stance), "strategies": named(strategies)}
    if any(value is not None for value in found.values()):
        yield {"utterance_id": utterance, **found}


def awarded(comment: str, delta: Any, by: Any) -> Rows:
    """The outcome row of a comment, if ``delta`` says one."""
    if (won := boolean(delta)) is not None:
        yield {"comment_id": comment, "delta": won, "by": by if by in ("op", "other") else None}
