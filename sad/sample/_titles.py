"""Titles of a block as pieces; which of them are about one topic is known.

T is the number of trees of a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sad.sample._block import Mask, Rng
from sad.sample._text import Index, Pool, Prose, names, quoted

_REPOSTED = 0.05  # of posts. Source: ours
_BELIEVED = 0.1
TITLES = (("CMV: ", ""),) * 8 + (
    ("cmv: ", ""), ("CMV - ", ""), ("[CMV] ", ""), ("CMV. ", ""), ("", " CMV"), ("", " - CMV."),
)  # fmt: skip
METAS = ("[Meta] ", "Meta: ", "[MOD] ", "Fresh Topic Friday: ")


@dataclass(frozen=True, slots=True)
class Titles:
    """Titles of T posts: columns of pieces, the number of the topic, and the text in lower case."""

    columns: list[Index]
    topic: Index
    normal: list[str]
    slug: Index


class Topics:
    """Makes titles. Those of a topic differ in function words alone, those of two topics in most.

    A title has three fragments of at most two content words, two names and a number of its own.
    """

    def __init__(self, pool: Pool, prose: Prose) -> None:
        self._prose = prose
        self._names = pool.many([f"{name} " for name in names()])
        self._numbers = pool.many([str(n) for n in range(1000, 10_000)])
        self._before = pool.many([quoted(before) for before, _ in TITLES])
        self._after = pool.many([quoted(after) for _, after in TITLES])
        self._metas = pool.many(list(METAS))
        self._believe, self._ampersand = pool.add("I believe that "), pool.add("&amp; ")
        self._slugs = pool.many(["/cmv_" + text.replace(" ", "_") + "/" for text in prose.plain])
        self._old = np.zeros((0, 6), np.int64)
        self._old_topics = np.zeros(0, np.int64)

    def draw(self, rng: Rng, n: int, first: int, meta: Mask, noise: float) -> Titles:
        """``n`` titles; a new topic has the number of its thread, which counts from ``first``."""
        titled, known = self._prose.titled, len(names())
        parts = np.concatenate([
            titled[rng.integers(0, len(titled), (n, 3))], rng.integers(0, known, (n, 2)),
            rng.integers(0, 9000, (n, 1)),
        ], 1)  # fmt: skip
        topic = first + np.arange(n)
        parts = np.concatenate([self._old, parts])
        topic = np.concatenate([self._old_topics, topic])
        again = np.flatnonzero((rng.random(n) < _REPOSTED) & ~meta) + len(self._old)
        fresh = np.setdiff1d(np.arange(len(parts)), again)
        fresh = np.setdiff1d(fresh, np.flatnonzero(meta) + len(self._old))
        before = np.searchsorted(fresh, again)
        again, before = again[before > 0], before[before > 0]
        source = fresh[np.floor(rng.random(len(again)) * before).astype(np.int64)]
        parts[again], topic[again] = parts[source], topic[source]
        start = len(self._old)
        kept = fresh[-500:]
        self._old, self._old_topics = parts[kept], topic[kept]
        return self._written(rng, parts[start:], topic[start:], meta, noise)

    def _written(self, rng: Rng, parts: Index, topic: Index, meta: Mask, noise: float) -> Titles:
        n, prose = len(parts), self._prose
        form = rng.integers(0, len(TITLES), n)
        believed = (rng.random(n) < _BELIEVED) & ~meta
        which = rng.integers(0, len(METAS), n)
        opened = np.where(believed, 0, 4) * len(prose)
        columns = [
            np.where(meta, self._metas + which, self._before + form),
            np.where(believed, self._believe, 0),
            prose.first + opened + parts[:, 0],
            self._names + parts[:, 3],
            np.where(rng.random(n) < noise / 10, self._ampersand, 0),
            prose.first + parts[:, 1],
            self._names + parts[:, 4],
            prose.first + parts[:, 2],
            self._numbers + parts[:, 5],
            np.where(meta, 0, self._after + form),
        ]
        plain, called = prose.plain, [name.lower() for name in names()]
        metas = [text.strip("[]: ").lower().replace("]", "") + " " for text in METAS]
        opening = [
            metas[w] if m else "i believe that " if b else ""
            for m, b, w in zip(meta.tolist(), believed.tolist(), which.tolist(), strict=True)
        ]
        normal = [
            f"{text}{plain[a]} {called[d]} {plain[b]} {called[e]} {plain[c]} {number + 1000}"
            for text, (a, b, c, d, e, number) in zip(opening, parts.tolist(), strict=True)
        ]
        return Titles(columns, topic, normal, self._slugs + parts[:, 0])
