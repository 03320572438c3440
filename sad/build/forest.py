"""Trees as arrays: node i has parent ``parent[i]``, an index, or -1 for a root.

N is the number of nodes. All functions are pure, work by pointer doubling (every round looks twice
as far up), and so need about log2(depth) rounds instead of one per level.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


def sums(parent: Index, weight: Index) -> Index:
    """For each node, the sum of ``weight`` over itself and its ancestors; shape [N].

    Nodes that never reach a root (a cycle, or below one) hold no meaning: see ``rootless``.
    """
    total, up = weight.copy(), parent
    for _ in range(_rounds(len(parent))):
        live = up >= 0
        if not live.any():
            break
        step = np.where(live, total[up], 0)
        total, up = total + step, np.where(live, up[up], -1)
    return total


def depths(parent: Index) -> Index:
    """Number of edges from each node to its root; shape [N]."""
    return sums(parent, (parent >= 0).astype(np.int64))


def roots(parent: Index) -> Index:
    """The root of each node (a root is its own); -1 where a cycle hides it; shape [N]."""
    here = np.arange(len(parent))
    up = np.where(parent >= 0, parent, here)
    for _ in range(_rounds(len(parent))):
        above = up[up]
        if np.array_equal(above, up):
            break
        up = above
    return np.where(parent[up] < 0, up, -1)


def inherited(flag: Mask, parent: Index) -> Mask:
    """Whether ``flag`` holds for a node or any of its ancestors; shape [N]."""
    return sums(parent, flag.astype(np.int64)) > 0


def leaves(parent: Index) -> Index:
    """The nodes without children, ascending."""
    has_child = np.zeros(len(parent), bool)
    has_child[parent[parent >= 0]] = True
    return np.flatnonzero(~has_child)


def root_to_leaf_paths(parent: Index, leaf: Index) -> tuple[Index, Index]:
    """The root-to-leaf paths of ``leaf``, as (offsets, nodes).

    Path p is ``nodes[offsets[p]:offsets[p + 1]]``, the root first. Iterative: depth costs time,
    never stack.
    """
    lengths = depths(parent)[leaf] + 1
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    nodes = np.empty(offsets[-1], np.int64)
    here, slot = leaf.copy(), offsets[1:] - 1
    while len(here):
        nodes[slot] = here
        above = parent[here]
        live = above >= 0
        here, slot = above[live], slot[live] - 1
    return offsets, nodes


def _rounds(n: int) -> int:
    return max(n, 1).bit_length() + 1
