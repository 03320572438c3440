"""Bodies of a block as pieces, and the texts that are repeated on purpose.

N is the number of nodes of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sad.sample import _plants
from sad.sample._block import AUTHORS, N_MODERATORS, Mask, Nodes, Rng
from sad.sample._plants import Marks
from sad.sample._rows import Body
from sad.sample._text import Index, Pieces, Pool, Prose, names, quoted

# At noise 1; the default is a fifth. Quotes: measured on cmv-priniski and cmv-modes (21 %).
QUOTED, MARKED, EDITED, DAMAGED = 1.0, 2.0, 0.2, 0.005
# Posts of cmv-priniski: 42 % with an edit, 52 % with the footnote.
POST_EDITED, POST_FOOTNOTE = 2.0, 1.5
_LEAST_MARKED = 6  # fragments: a mark must not decide whether a text is long enough
_LEAST_COPIED, _LEAST_NEAR = 8, 30
# Chances of a candidate, at noise 1. Source: ours.
_DOUBLE, _COPY, _NEAR = 0.3, 0.05, 0.1
_CARRIED = 40  # texts of a block that the next one may repeat


@dataclass(slots=True)
class Filled:
    """Bodies of N nodes, the bits of what changes each, and which are prose without marks."""

    body: Body
    changes: Index
    plain: Mask


class Bodies:
    """Fills bodies; holds the pieces of prose, templates and marks."""

    def __init__(self, pool: Pool, rng: Rng) -> None:
        self.prose = Prose(pool, rng)
        self.kinds = _plants.kinds(self.prose, rng)
        self.authors = pool.many(_author_names())
        self._templates = {
            name: (
                _many(pool, kind.prefix), _many(pool, kind.opening),
                pool.add(quoted(kind.inner)), pool.add(quoted(kind.suffix)),
            )
            for name, kind in self.kinds.items()
        }  # fmt: skip
        marks = (_plants.prefixes, _plants.inners, _plants.edits)
        self._quotes, self._inners, self._edits = (
            Marks(pool, make(self.prose, rng)) for make in marks
        )
        self._footnotes, self._tokens = (
            Marks(pool, make()) for make in (_plants.footnotes, _plants.tokens)
        )
        # Raw bytes, not escapes: a NUL and what is not UTF-8 stand so in the line.
        self.damaged = {name: pool.add(text) for name, (text, _) in _plants.DAMAGED.items()}
        added = [f" {self.prose.sentence(rng, 2)}" for _ in range(_CARRIED * 10)]
        self._added = (pool.many(added), len(added))
        self.deleted = pool.add("[deleted]")

    def fill(self, rng: Rng, nodes: Nodes, length: Index, noise: float) -> Filled:
        """The bodies of ``nodes``, of ``length`` fragments where they are prose."""
        n = len(length)
        first = np.cumsum(length) - length
        flat = self._prose(rng, length, first)
        rows = np.flatnonzero(length)
        opening = np.zeros(n, np.int64)
        opening[rows] = flat[first[rows]]
        zero = np.zeros((3, n), np.int64)
        body = Body(zero[0], opening, zero[1], zero[2], flat, first + 1, np.maximum(length - 1, 0))
        of_kind = np.array([kind.changes for kind in self.kinds.values()])
        filled = Filled(body, of_kind[nodes.kind], (nodes.kind == 0) & ~nodes.award)
        body = self._fill_templates(rng, nodes, filled)
        marked = np.where((nodes.kind == 0) & (length >= _LEAST_MARKED), noise, 0.0)
        self._mark(rng, nodes, filled, marked, noise)
        return Filled(body, filled.changes, filled.plain)

    def _prose(self, rng: Rng, length: Index, first: Index) -> Pieces:
        # A text of three or four fragments takes longer ones, a short one shorter ones, so that
        # every other text has ten words and no short one has.
        low = np.where((length == 3) | (length == 4), self.prose.fours, 0)
        high = np.where(length == 2, self.prose.fives, len(self.prose))
        luck = rng.random(int(length.sum()))
        span = np.repeat(high - low, length)
        fragment = np.repeat(low, length) + np.floor(luck * span).astype(np.int64)
        rows = length > 0
        return self.prose.forms(rng, fragment, first[rows], (first + length - 1)[rows])

    def _fill_templates(self, rng: Rng, nodes: Nodes, filled: Filled) -> Body:
        """The body with templates in place; adds the names that they address."""
        body, extra = filled.body, [filled.body.flat]
        end = len(body.flat)
        above = nodes.parent[np.maximum(nodes.parent, 0)]
        for place, (name, kind) in enumerate(self.kinds.items()):
            if name in ("prose", "short"):
                continue
            rows = np.flatnonzero(nodes.kind == place)
            prefix, opening, inner, suffix = self._templates[name]
            body.prefix[rows] = prefix[0]
            body.opening[rows] = opening[0] + rng.integers(0, opening[1], len(rows))
            body.inner[rows], body.suffix[rows] = inner, suffix
            if kind.names:
                addressed = above[rows] if kind.rule == "bot" else nodes.parent[rows]
                spoken_to = self.authors + nodes.author[addressed]
                body.opening[rows] = spoken_to
                if kind.names == 2:
                    extra.append(spoken_to.astype(np.uint32))
                    body.start[rows] = end + np.arange(len(rows))
                    body.length[rows] = 1
                    end += len(rows)
        flat = np.concatenate(extra)
        return Body(
            body.prefix, body.opening, body.inner, body.suffix, flat, body.start, body.length
        )

    def _mark(
        self, rng: Rng, nodes: Nodes, filled: Filled, marked: NDArray[np.float64], noise: float
    ) -> None:
        body, is_post = filled.body, nodes.parent < 0
        n = len(marked)

        def put(target: Index, marks: Marks, chosen: Mask) -> None:
            rows = np.flatnonzero(chosen & (target == 0))
            target[rows], changes = marks.draw(rng, len(rows))
            filled.changes[rows] |= changes
            filled.plain[rows] = False

        put(body.prefix, self._quotes, ~is_post & (rng.random(n) < QUOTED * marked))
        hurt = rng.random(n)
        for place, (name, piece) in enumerate(self.damaged.items()):
            share = DAMAGED * noise**4 * marked  # damage is rare in real dumps
            low = place * share
            rows = (hurt >= low) & (hurt < low + share)
            body.inner[rows] = piece
            filled.changes[rows] |= _plants.DAMAGED[name][1]
            filled.plain[rows] = False
        put(body.inner, self._inners, rng.random(n) < MARKED * marked)
        put(body.suffix, self._tokens, nodes.award)
        put(body.suffix, self._footnotes, is_post & (rng.random(n) < POST_FOOTNOTE * marked))
        edited = np.where(is_post, POST_EDITED, EDITED) * marked
        put(body.suffix, self._edits, rng.random(n) < edited)

    def repeat(
        self,
        rng: Rng,
        nodes: Nodes,
        filled: Filled,
        candidate: Mask,
        noise: float,
        old: list[Pieces],
    ) -> tuple[Body, dict[str, Index], list[Pieces]]:
        """The body with texts repeated, the rows of repeats by rule, and texts to repeat later.

        Args:
            rng: which.
            nodes: the second of two equal siblings gets the author of the first.
            filled: the bodies.
            candidate: ends of paths; of these, only plain ones are touched.
            noise: scales how many.
            old: texts of the block before.
        """
        body = filled.body
        usable = candidate & filled.plain & (body.length >= _LEAST_COPIED) & (nodes.depth > 0)
        free = np.flatnonzero(usable & ~nodes.won)
        doubles = self._doubles(rng, nodes, free, noise)
        free = rng.permutation(np.setdiff1d(free, doubles))
        copies, free = _pairs(nodes, free, int(len(free) * _COPY * noise))
        long = body.length[free] >= _LEAST_NEAR
        near, _ = _pairs(nodes, free[long], int(long.sum() * _NEAR * noise))
        rest = np.setdiff1d(free, near)
        rest = rest[rng.permutation(len(rest))[: 2 * _CARRIED]]
        again, kept = rest[: min(len(old), len(rest) // 2)], rest[len(rest) // 2 :]
        for source, target in (doubles.T, copies.T, near.T):
            for column in (body.opening, body.start, body.length):
                column[target] = column[source]
        first, number = self._added
        body.suffix[near[:, 1]] = first + rng.integers(0, number, len(near))
        end = len(body.flat)
        for row, text in zip(again.tolist(), old, strict=False):
            body.opening[row], body.start[row], body.length[row] = text[0], end, len(text) - 1
            end += len(text) - 1
        flat = np.concatenate([body.flat, *(text[1:] for text in old[: len(again)])])
        carried = [] if not noise else [_text(body, row) for row in kept.tolist()]
        whole = Body(
            body.prefix, body.opening, body.inner, body.suffix, flat, body.start, body.length
        )
        repeats = {
            "duplicate_dialogue": doubles[:, 1],
            "duplicate_target": np.concatenate([copies[:, 1], again]),
            "near_duplicate_target": near[:, 1],
        }
        return whole, repeats, carried

    def _doubles(self, rng: Rng, nodes: Nodes, free: Index, noise: float) -> Index:
        """Pairs of siblings; a comment that was sent twice."""
        known = free[nodes.known[free] & nodes.known[nodes.root[free]]]
        known = known[np.argsort(nodes.parent[known], kind="stable")]
        above = nodes.parent[known]
        opens = np.flatnonzero(np.concatenate([[True], above[1:] != above[:-1]])[: len(above)])
        opens = opens[opens + 1 < len(known)]
        opens = opens[above[opens] == above[opens + 1]]
        opens = opens[rng.random(len(opens)) < _DOUBLE * noise]
        pairs = np.stack([known[opens], known[opens + 1]], 1)
        nodes.author[pairs[:, 1]] = nodes.author[pairs[:, 0]]
        nodes.wrote[pairs[:, 1]] = nodes.wrote[pairs[:, 0]]
        return pairs


def _pairs(nodes: Nodes, free: Index, n: int) -> tuple[Index, Index]:
    """About ``n`` pairs (row of an earlier tree, row of a later one) of ``free``, and the rest."""
    n = min(n, len(free) // 2)
    pairs = free[: 2 * n].reshape(n, 2)
    pairs = np.sort(pairs[nodes.tree[pairs[:, 0]] != nodes.tree[pairs[:, 1]]], axis=1)
    return pairs, free[2 * n :]


def _text(body: Body, row: int) -> Pieces:
    start = body.start[row]
    inner = body.flat[start : start + body.length[row]]
    return np.concatenate([body.opening[row : row + 1].astype(np.uint32), inner])


def _many(pool: Pool, texts: Sequence[str]) -> tuple[int, int]:
    escaped = [quoted(text) for text in texts]
    return pool.many(escaped) if len(texts) > 1 else pool.add(escaped[0]), len(texts)


def _author_names() -> list[str]:
    endings = ("", "_92", "-uk", "1987", "_writes", "44", "-again", "_x")
    plain = [name.lower() + ending for ending in endings for name in names()]
    return [
        *plain[:AUTHORS],
        "DeltaBot",
        "AutoModerator",
        *(f"moderator_{n}" for n in range(N_MODERATORS)),
    ]
