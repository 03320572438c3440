"""Near-duplicate texts of different threads: MinHash to find candidates, exact Jaccard to decide.

N texts, S shingles (runs of ``WIDTH`` words), H hash functions in bands of ``ROWS``.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

WIDTH = 3
BANDS, ROWS = 12, 4  # finds a pair of Jaccard 0.8 with probability 0.998
_TEXTS_AT_ONCE = 20_000
_ODD = np.uint64(0x9E3779B97F4A7C15)

Hashes = NDArray[np.uint64]
Index = NDArray[np.int64]


def repeats(texts: pl.Series, thread: Index, threshold: float) -> Index:
    """For each text, the earlier text of another thread that it nearly repeats, or -1; shape [N].

    Two texts are near when the Jaccard index of their shingle sets is at least ``threshold``. The
    first of a set of near texts is never marked; nothing is marked for being near a marked text,
    so that likeness is not chained. Texts of fewer than ``WIDTH`` words are left alone. Source:
    ours (the paper names no deduplication).

    Args:
        texts: in the order of precedence.
        thread: a number per text; texts of one thread are never compared.
        threshold: in (0, 1].
    """
    bands = _signatures(texts)
    pairs = _candidates(bands, thread)
    found = np.full(len(texts), -1, np.int64)
    if not len(pairs):
        return found
    involved = np.unique(pairs)
    hashes, starts = shingles(texts.gather(pl.Series(involved)))
    ends = np.append(starts[1:], len(hashes))
    place = {text: i for i, text in enumerate(involved.tolist())}
    sets: dict[int, Hashes] = {}

    def of(text: int) -> Hashes:
        if text not in sets:
            i = place[text]
            sets[text] = np.unique(hashes[starts[i] : ends[i]])
        return sets[text]

    for first, later in pairs.tolist():  # ascending in ``later``
        if found[first] < 0 and found[later] < 0 and _jaccard(of(first), of(later)) >= threshold:
            found[later] = first
    return found


def _jaccard(a: Hashes, b: Hashes) -> float:
    if not len(a) or not len(b):
        return 0.0
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both)


def shingles(texts: pl.Series) -> tuple[Hashes, Index]:
    """Hashes of all shingles [S], and where those of each text begin [N]; a short text has none."""
    words = texts.str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]+")
    n = words.list.len().to_numpy().astype(np.int64)
    flat = words.explode(empty_as_null=False, keep_nulls=False)
    tokens = flat.hash(1).to_numpy().astype(np.uint64, copy=True)
    ends = np.cumsum(n)
    count = np.maximum(n - WIDTH + 1, 0)
    starts = np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int64)
    within = np.arange(count.sum()) - np.repeat(starts, count)
    at = np.repeat(ends - n, count) + within
    total = np.zeros(len(at), np.uint64)
    for step in range(WIDTH):
        total = (total * _ODD) ^ tokens[at + step]
        total ^= total >> np.uint64(29)
    return total * _ODD, starts


def _signatures(texts: pl.Series) -> Hashes:
    """One hash per text and band [N, BANDS]; 0 where a text has no shingle."""
    rng = np.random.default_rng(20160301)
    factors = rng.integers(1, 2**63, BANDS * ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    out = np.zeros((len(texts), BANDS), np.uint64)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        hashes, starts = shingles(texts[start : start + _TEXTS_AT_ONCE])
        filled = np.flatnonzero(np.diff(np.append(starts, len(hashes))))
        if not len(filled):
            continue
        for band in range(BANDS):
            total = np.full(len(filled), np.uint64(band + 1))
            for factor in factors[band * ROWS : (band + 1) * ROWS]:
                mixed = hashes * factor
                mixed ^= mixed >> np.uint64(32)
                low = np.minimum.reduceat(mixed, starts[filled])
                total = (total ^ low) * _ODD
                total ^= total >> np.uint64(31)
            out[start + filled, band] = total
    return out


def _candidates(bands: Hashes, thread: Index) -> Index:
    """Distinct (first, later) pairs that share a band, of different threads; sorted by later.

    Every text of a band is paired with its first one only, so that a text copied a thousand
    times costs a thousand pairs and not half a million.
    """
    found = []
    for band in bands.T:
        filled = np.flatnonzero(band)
        order = filled[np.argsort(band[filled], kind="stable")]
        ordered = band[order]
        fresh = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(order) else order > 0
        first = order[fresh][np.cumsum(fresh) - 1]
        apart = (first != order) & (thread[first] != thread[order])
        found.append(np.stack([first[apart], order[apart]], 1))
    pairs = np.unique(np.concatenate(found), axis=0)
    return pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]
