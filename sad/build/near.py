"""Near-duplicate texts: bottom sketches to find candidates, exact Jaccard to decide.

N texts, S shingles (runs of ``WIDTH`` words), K keys of a sketch.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
import polars_hash as plh
from numpy.typing import NDArray

WIDTH = 3
LENGTH = 16
"""Hashes of a sketch, the smallest of a text's shingles (a bottom sketch: Broder 1997)."""
LOWEST = 6
"""Two texts are candidates when two of their so many smallest hashes are the same. At Jaccard 0.8
two of the six smallest hashes of both texts together are in both with probability 0.998."""
PAIRS = LOWEST * (LOWEST - 1) // 2
_TEXTS_AT_ONCE = 20_000
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MASK = np.uint64(2**32 - 1)

Hashes = NDArray[np.uint64]
Sketches = NDArray[np.uint32]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


def shingles(texts: pl.Series) -> tuple[Hashes, Index]:
    """Hashes of all shingles [S], and where those of each text begin [N]; a short text has none.

    Args:
        texts: as ``clean.normal`` gives them: words, a space between them.
    """
    words = texts.str.split(" ")
    flat = words.explode(empty_as_null=False, keep_nulls=False).to_frame("word")
    tokens = flat.select(plh.col("word").nchash.xxh3_64()).to_series().to_numpy()
    n = words.list.len().to_numpy().astype(np.int64)
    count = np.maximum(n - WIDTH + 1, 0)
    total = np.zeros(max(len(tokens) - WIDTH + 1, 0), np.uint64)
    for step in range(WIDTH):
        total = (total * _ODD) ^ tokens[step : step + len(total)]
        total ^= total >> np.uint64(29)
    ends = np.cumsum(n)
    inside = np.ones(len(total), bool)  # no shingle runs from one text into the next
    for back in range(1, WIDTH):
        last = (ends - back)[n >= back]
        inside[last[last < len(total)]] = False
    return total[inside] * _ODD, np.cumsum(count) - count


def sketches(texts: pl.Series) -> Sketches:
    """The ``LENGTH`` smallest distinct 32-bit shingle hashes of each text; shape [LENGTH, N].

    They ascend; 0 stands where there are fewer.

    Args:
        texts: as ``clean.normal`` gives them.
    """
    starts = range(0, len(texts), _TEXTS_AT_ONCE)
    parts = [_smallest(*shingles(texts[start : start + _TEXTS_AT_ONCE])) for start in starts]
    return np.ascontiguousarray(np.concatenate([np.zeros((0, LENGTH), np.uint32), *parts]).T)


def _smallest(hashes: Hashes, starts: Index) -> Sketches:
    """The smallest distinct hashes of each text [N, LENGTH].

    Args:
        hashes: of all shingles [S].
        starts: where those of each text begin [N].
    """
    lengths = np.diff(np.append(starts, len(hashes)))
    owner = np.repeat(np.arange(len(starts), dtype=np.uint64), lengths)
    both = (owner << np.uint64(32)) | np.maximum(hashes >> np.uint64(32), np.uint64(1))
    # About 40 of a text are under the bound, so that few need sorting; too few but by chance.
    share = np.minimum(1.0, 2.5 * LENGTH / np.maximum(lengths, 1))
    bound = np.repeat((share * (2**32 - 1)).astype(np.uint64), lengths)
    low = _first(both[(both & _MASK) <= bound], len(starts))
    lacking = (low[:, -1] == 0) & (share < 1)
    if lacking.any():
        low[lacking] = _first(both[np.repeat(lacking, lengths)], len(starts))[lacking]
    return low


def _first(both: Hashes, texts: int) -> Sketches:
    """The smallest distinct hashes of each text, of numbers that hold a text and a hash."""
    ordered = _distinct(np.sort(both))
    owner = (ordered >> np.uint64(32)).astype(np.int64)
    place = np.arange(len(ordered)) - np.searchsorted(owner, owner)
    out = np.zeros((texts, LENGTH), np.uint32)
    kept = place < LENGTH
    out[owner[kept], place[kept]] = ordered[kept] & _MASK
    return out


def keys(sketch: Sketches) -> Iterator[Hashes]:
    """A key [N] for every two of the ``LOWEST`` smallest hashes of each text; 0: it has fewer.

    Texts that share one are candidates. A text of one shingle has it twice.
    """
    low = sketch[:LOWEST].astype(np.uint64)
    low[1] = np.where(low[1] > 0, low[1], low[0])
    for a, b in combinations(low, 2):
        yield np.where(b > 0, (a << np.uint64(32)) | b, 0)


def likely(sketch: Sketches, pairs: Index, threshold: float) -> Mask:
    """Whether each pair may have a Jaccard index of ``threshold`` or more; shape [pairs].

    Of the smallest hashes of both texts together, a share like the Jaccard index is in both. A pair
    is ruled out when that share is 3.5 standard errors below ``threshold``.
    """
    both = np.sort(np.concatenate([sketch[:, pairs[:, 0]], sketch[:, pairs[:, 1]]]), axis=0)
    twice = (both[1:] == both[:-1]) & (both[1:] > 0)
    fresh = np.concatenate([both[:1] > 0, (both[1:] != both[:-1])])
    place = np.cumsum(fresh, axis=0)
    # A text with fewer hashes than a sketch holds all it has: there the count is exact.
    inside = place[1:] <= LENGTH
    n = np.minimum(place[-1], LENGTH)
    slack = 3.5 * np.sqrt(n * threshold * (1 - threshold))
    enough: Mask = (twice & inside).sum(0) >= n * threshold - slack - 1e-9
    return enough


def candidates(key: Hashes, text: Index, thread: Index) -> Index:
    """(early, later) texts of different threads that share a key; shape [pairs, 2].

    Every text is paired with the first one of its key and the one before it only, so that a text
    copied a thousand times costs two thousand pairs and not half a million.

    Args:
        key: ``keys`` of texts [M], in any order; 0 is none.
        text: whose each is [M]: the place of the text in the order of precedence.
        thread: a number per text [N]; texts of one thread are never compared.
    """
    ordered = np.sort(key[key > 0])
    shared = _distinct(ordered[1:][ordered[1:] == ordered[:-1]])
    at = np.searchsorted(shared, key)
    at[at == len(shared)] = 0
    some = np.flatnonzero(shared[at] == key) if len(shared) else at[:0]
    order = some[np.lexsort((text[some], key[some]))]
    ordered, whose = key[order], text[order]
    fresh = np.append(True, ordered[1:] != ordered[:-1]) if len(order) else order > 0
    first = whose[fresh][np.cumsum(fresh) - 1]
    before = np.where(fresh, whose, np.roll(whose, 1))
    pairs = np.stack([np.append(first, before), np.append(whose, whose)], 1)
    return distinct_pairs(pairs[thread[pairs[:, 0]] != thread[pairs[:, 1]]])


def distinct_pairs(pairs: Index) -> Index:
    """``pairs`` (numbers below 2^32) without repetitions, ascending; shape [pairs, 2]."""
    joined = _distinct(np.sort((pairs[:, 0] << 32) | pairs[:, 1]))
    return np.stack([joined >> 32, joined & (2**32 - 1)], 1)


def _distinct(ordered: NDArray[Any]) -> NDArray[Any]:
    """``ordered`` without repetitions; ``np.unique`` takes ten times as long."""
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def jaccard(texts: pl.Series, pairs: Index) -> Floats:
    """The Jaccard index of the shingle sets of each pair of ``texts`` (normal); shape [pairs]."""
    hashes, starts = shingles(texts)
    ends = np.append(starts[1:], len(hashes))
    sets: dict[int, Hashes] = {}

    def of(text: int) -> Hashes:
        if text not in sets:
            sets[text] = np.unique(hashes[starts[text] : ends[text]])
        return sets[text]

    return np.array([_jaccard(of(a), of(b)) for a, b in pairs.tolist()], np.float64)


def _jaccard(a: Hashes, b: Hashes) -> float:
    if not len(a) or not len(b):
        return 0.0
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both)


def marked(pairs: Index) -> set[int]:
    """The texts that repeat an earlier one, of near ``pairs`` (first, later).

    The first of a set of near texts is never marked; nothing is marked for being near a marked
    text, so that likeness is not chained. Source: ours (the paper names no deduplication).
    """
    found: set[int] = set()
    for first, later in pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))].tolist():
        if first not in found:
            found.add(later)
    return found
