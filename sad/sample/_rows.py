"""Runs of pieces: bodies and whole lines, put together and in order without a loop over them.

R is the number of texts or lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sad.sample._text import Index, Pieces

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Body:
    """Pieces of R texts: ``prefix, opening, inner, flat[start:start + length], suffix``."""

    prefix: Index
    opening: Index
    inner: Index
    suffix: Index
    flat: Pieces
    start: Index
    length: Index

    def take(self, rows: Index | Mask) -> Body:
        """The texts ``rows``."""
        mine = {
            name: getattr(self, name)[rows]
            for name in ("prefix", "opening", "inner", "suffix", "start", "length")
        }
        return replace(self, **mine)


@dataclass(frozen=True, slots=True)
class Rows:
    """Lines as pieces: line r, to be written at ``time[r]``, is ``flat[start[r]:][:length[r]]``."""

    time: Index
    flat: Pieces
    start: Index
    length: Index

    @classmethod
    def of(cls, time: Index, head: list[Index], body: Body, tail: list[Index]) -> Rows:
        """Lines of equal columns before and after a body."""
        before, after = len(head), len(tail)
        length = before + body.length + after
        start = np.cumsum(length) - length
        flat = np.empty(int(length.sum()), np.uint32)
        for place, column in enumerate(head):
            flat[start + place] = column
        copy_runs(body.flat, body.start, body.length, flat, start + before)
        after_body = start + before + body.length
        for place, column in enumerate(tail):
            flat[after_body + place] = column
        return cls(time, flat, start, length)

    @classmethod
    def alike(cls, time: Index, columns: list[Index]) -> Rows:
        """Lines of equal columns."""
        flat = np.stack(columns, 1).astype(np.uint32)
        length = np.full(len(time), len(columns), np.int64)
        return cls(time, flat.ravel(), np.arange(len(time)) * len(columns), length)

    def part(self, first: int, last: int) -> Rows:
        """The lines from ``first`` to before ``last``; they must lie in order."""
        at = int(self.start[first]) if first < last else 0
        end = int(self.start[last - 1] + self.length[last - 1]) if first < last else 0
        start = self.start[first:last] - at
        return Rows(self.time[first:last], self.flat[at:end], start, self.length[first:last])


def in_order(parts: Sequence[Rows]) -> Rows:
    """All lines of ``parts`` in order of time; ties in the order given."""
    time = np.concatenate([part.time for part in parts])
    length = np.concatenate([part.length for part in parts])
    order = np.argsort(time, kind="stable")
    ends = np.cumsum(length[order])
    start = np.empty(len(time), np.int64)
    start[order] = ends - length[order]
    flat = np.empty(int(length.sum()), np.uint32)
    done = 0
    for part in parts:
        copy_runs(part.flat, part.start, part.length, flat, start[done : done + len(part.time)])
        done += len(part.time)
    return Rows(time[order], flat, start[order], length[order])


def copy_runs(source: Pieces, start: Index, length: Index, target: Pieces, place: Index) -> None:
    """Copy ``source[start:start + length]`` of every run to ``target[place:]``."""
    upto = np.cumsum(length)
    within = np.arange(int(upto[-1]) if len(upto) else 0) - np.repeat(upto - length, length)
    target[np.repeat(place, length) + within] = source[np.repeat(start, length) + within]
