"""Near-duplicate texts: bottom sketches to find candidates, exact Jaccard to decide.

N texts, S shingles (runs of ``WIDTH`` words), K keys of a sketch.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl
import polars_hash as plh
from numpy.typing import NDArray

WIDTH = 3
LOWEST = 6
"""Shingles of a sketch. Two texts are candidates when their sketches share two: at Jaccard 0.8 two
of the six lowest shingles of both texts together are in both with probability 0.998."""
PAIRS = tuple(combinations(range(LOWEST), 2))
_TEXTS_AT_ONCE = 20_000
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MASK = np.uint64(2**32 - 1)

Hashes = NDArray[np.uint64]
Index = NDArray[np.int64]
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


def sketches(texts: pl.Series) -> Hashes:
    """The keys of each text's sketch [K, N], 0 where it is too short.

    Texts that share a key are candidates. A key stands for two of the ``LOWEST`` smallest shingle
    hashes of a text (a bottom sketch: Broder 1997). A text of one shingle has it twice.

    Args:
        texts: as ``clean.normal`` gives them.
    """
    out = np.zeros((len(PAIRS), len(texts)), np.uint64)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        lowest = _lowest(*shingles(texts[start : start + _TEXTS_AT_ONCE]))
        for key, (a, b) in zip(out, PAIRS, strict=True):
            mixed = (lowest[:, a] * _ODD) ^ lowest[:, b]
            mixed = (mixed ^ (mixed >> np.uint64(31))) * _ODD
            key[start : start + len(lowest)] = np.where(lowest[:, b] > 0, mixed, 0)
    return out


def _lowest(hashes: Hashes, starts: Index) -> Hashes:
    """The ``LOWEST`` smallest distinct 32-bit hashes of each text [N, LOWEST]; 0: there are fewer.

    Args:
        hashes: of all shingles [S].
        starts: where those of each text begin [N].
    """
    lengths = np.diff(np.append(starts, len(hashes)))
    owner = np.repeat(np.arange(len(starts), dtype=np.uint64), lengths)
    both = (owner << np.uint64(32)) | np.maximum(hashes >> np.uint64(32), np.uint64(1))
    # About 30 of a text are under the bound, so that few need sorting; never too few but by chance.
    share = np.minimum(1.0, 5 * LOWEST / np.maximum(lengths, 1))
    bound = np.repeat((share * (2**32 - 1)).astype(np.uint64), lengths)
    low = _first(both[(both & _MASK) <= bound], len(starts))
    lacking = (low[:, -1] == 0) & (share < 1)
    if lacking.any():
        low[lacking] = _first(both[np.repeat(lacking, lengths)], len(starts))[lacking]
    single = (low[:, 0] > 0) & (low[:, 1] == 0)
    low[single, 1] = low[single, 0]
    return low


def _first(both: Hashes, texts: int) -> Hashes:
    """The smallest distinct hashes of each text, of numbers that hold a text and a hash."""
    ordered = np.sort(both)
    ordered = ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered
    owner = (ordered >> np.uint64(32)).astype(np.int64)
    place = np.arange(len(ordered)) - np.searchsorted(owner, owner)
    out = np.zeros((texts, LOWEST), np.uint64)
    kept = place < LOWEST
    out[owner[kept], place[kept]] = ordered[kept] & _MASK
    return out


def candidates(key: Hashes, text: Index, thread: Index) -> Index:
    """(early, later) texts of different threads that share a key; shape [pairs, 2].

    Every text is paired with the first one of its key and the one before it only, so that a text
    copied a thousand times costs two thousand pairs and not half a million.

    Args:
        key: keys of sketches [M], all K of a text in any place; 0 is none.
        text: whose each is [M]: the place of the text in the order of precedence.
        thread: a number per text [N]; texts of one thread are never compared.
    """
    ordered = np.sort(key[key > 0])
    shared = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    at = np.searchsorted(shared, key)
    at[at == len(shared)] = 0
    some = np.flatnonzero(shared[at] == key) if len(shared) else at[:0]
    order = some[np.lexsort((text[some], key[some]))]
    ordered, whose = key[order], text[order]
    fresh = np.append(True, ordered[1:] != ordered[:-1]) if len(order) else order > 0
    first = whose[fresh][np.cumsum(fresh) - 1]
    before = np.where(fresh, whose, np.roll(whose, 1))
    pairs = np.stack([np.append(first, before), np.append(whose, whose)], 1)
    return np.unique(pairs[thread[pairs[:, 0]] != thread[pairs[:, 1]]], axis=0)


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
