"""Shapes of generated threads: sizes, parents, times and authors, all trees of a block at once.

Figures measured by us: *tree* is the one whole real tree at hand (cmv-trees-naslab, t3_4rl42j).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

LARGEST_TREE = 100_000
_SIZE_SPREAD = 1.3  # log-normal; heavy tail. Source: ours
# Tree: 8 of 129 comments answer the post, 32 of 130 nodes are leaves, greatest depth 18, mean 5.6;
# these four give 29 % leaves, greatest depth 16, mean 5.6 at that size.
_TOP_LEVEL = 0.06
_CHAIN = 0.66
_RECENT = 0.05
_EARLY = 4.0
# Tree: median delay 82 minutes; a tenth within 5 minutes, a tenth after 16 hours.
_DELAY_MEDIAN, _DELAY_SPREAD = 82.5 * 60, 1.92
_LONGEST = 60 * 86_400
# Tree: 7 of 17 answers to top-level comments are by the post's author; 72 % of the comments are by
# the author of the comment two above.
_OP_ANSWERS, _SAME_AGAIN = 0.41, 0.72


def sizes(rng: np.random.Generator, room: int, block: int, mean: float) -> Index:
    """Numbers of nodes of the next trees: at least ``block`` nodes, or all the ``room`` left."""
    found = np.zeros(0, np.int64)
    while found.sum() < min(room, block):
        found = np.concatenate([found, _draw(rng, int(block / mean) + 16, mean)])
    total = np.cumsum(found)
    found = found[: int(np.searchsorted(total, min(room, block))) + 1]
    left = room - int(found.sum())
    if left == 1 or left < 0:  # a post without comments would be left, or there are too many
        found[-1] += left
        if found[-1] < 2 and len(found) > 1:
            found[-2] += found[-1]
            found = found[:-1]
    return found


def _draw(rng: np.random.Generator, n: int, mean: float) -> Index:
    comments = max(mean - 2, 0.0)
    spread = rng.lognormal(-(_SIZE_SPREAD**2) / 2, _SIZE_SPREAD, n) * comments
    # Rounding by chance keeps the mean.
    return np.minimum(2 + np.floor(spread + rng.random(n)).astype(np.int64), LARGEST_TREE)


def parents(rng: np.random.Generator, size: Index) -> Index:
    """The parent of each node (row, or -1 for a post); the nodes of a tree lie together.

    A comment answers the post, or the comment before it, or one of the recent ones, or any.
    """
    start = np.repeat(np.cumsum(size) - size, size)
    n = len(start)
    place = np.arange(n) - start
    how, where = rng.random((2, n))
    # Earlier comments are less deep, and more often answered.
    any_one = 1 + np.floor(where**_EARLY * (place - 1)).astype(np.int64)
    recent = place - 1 - np.floor(-np.log1p(-where) * 8).astype(np.int64)
    chosen = np.where(how < _TOP_LEVEL + _CHAIN + _RECENT, recent, any_one)
    chosen = np.where(how < _TOP_LEVEL + _CHAIN, place - 1, chosen)
    chosen = np.where(how < _TOP_LEVEL, 0, np.clip(chosen, np.minimum(1, place - 1), place - 1))
    return np.where(place == 0, -1, start + np.clip(chosen, 0, None))


def sums(parent: Index, weight: Index) -> Index:
    """The sum of ``weight`` over each node and all above it: every round looks twice as far up."""
    total, up = weight.copy(), parent.copy()
    while (live := np.flatnonzero(up >= 0)).size:
        above = up[live]
        total[live] += total[above]
        up[live] = up[above]
    return total


def delays(rng: np.random.Generator, parent: Index) -> Index:
    """Seconds of each node since its tree's post."""
    wait = rng.lognormal(np.log(_DELAY_MEDIAN), _DELAY_SPREAD, len(parent))
    wait = np.clip(wait, 1, _LONGEST).astype(np.int64)
    return np.minimum(sums(parent, np.where(parent < 0, 0, wait)), _LONGEST)


def writers(rng: np.random.Generator, parent: Index, depth: Index, root: Index, n: int) -> Index:
    """The author (0 to ``n`` - 1) of each node; few write much, many write little."""
    fresh = np.floor(n * rng.random(len(parent)) ** 2).astype(np.int64)
    luck = rng.random(len(parent))
    two_up = np.where(depth >= 2, parent[parent], -1)
    source = np.where((depth == 2) & (luck < _OP_ANSWERS), root, -1)
    source = np.where((depth > 2) & (luck < _SAME_AGAIN), two_up, source)
    while (live := np.flatnonzero(source >= 0)).size:
        fresh[live] = fresh[source[live]]
        further = source[source[live]]
        source[live] = further
    return fresh
