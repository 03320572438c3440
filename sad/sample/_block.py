"""A block of generated threads: who wrote what when, and what is planted where.

N is the number of nodes of a block, T of its trees. Rates are per comment (or post) at noise 1; at
the default noise they resemble r/ChangeMyView as far as the data at hand show it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sad.sample import _shape
from sad.sample._plants import RULES, Kind

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
Rng = np.random.Generator

# Source: ours, but for what the comment says. A fifth of it is the default.
KIND_RATES = {
    "deleted": 0.04,
    "removed": 0.08,  # tree: 1.5 %
    "short": 0.25,  # tree: 8 % below ten words; cmv-modes 4 %
    "only_quote": 0.01,
    "only_link": 0.01,
    "function_words": 0.005,
    "repeated": 0.005,
    "figures": 0.005,
    "foreign": 0.01,
}
POST_RATES = {"deleted": 0.25, "removed": 0.35, "short": 0.02, "foreign": 0.02}
META = 0.05  # of posts
CONFIRMED = 0.25  # of leaves at depth 3 and deeper
REFUSED = 0.03
AUTOMATIC = 0.3  # of leaves at depth 1
NOTICE = 0.5  # of leaves below a removed comment
LOST_AUTHOR = 0.1
BY_OP = 0.8  # of awards; does not depend on the noise
_CONFIRMATIONS = ("confirmed", "confirmed", "confirmed_2016", "confirmation")
# The median of comments is 63 words in the tree (mean 79), 77 in cmv-modes (135); of posts 265 in
# cmv-modes, 251 in cmv-priniski.
_WORDS, _WORDS_SPREAD = 65, 0.93
_POST_WORDS, _POST_SPREAD = 250, 0.62
_MOST_WORDS = 1500
TOLD_FROM = 1_509_494_400
"""``is_submitter`` is in the dumps from November 2017."""
AUTHORS = 57_600
DELTABOT, AUTOMODERATOR, MODERATORS = AUTHORS, AUTHORS + 1, AUTHORS + 2
N_MODERATORS = 8


@dataclass(slots=True)
class Nodes:
    """The nodes of a block, those of a tree together, parents before children."""

    size: Index  # [T]
    tree: Index
    parent: Index  # row, or -1
    depth: Index
    root: Index
    delay: Index  # seconds since the post
    is_leaf: Mask  # nothing answers it
    author: Index
    kind: NDArray[np.int8]
    known: Mask  # whether the author is
    meta: Mask  # [T]
    award: Mask = field(default_factory=lambda: np.zeros(0, bool))
    confirmed: Mask = field(default_factory=lambda: np.zeros(0, bool))  # awards with effect
    won: Mask = field(default_factory=lambda: np.zeros(0, bool))
    wrote: Mask = field(default_factory=lambda: np.zeros(0, bool))  # is by the post's author

    def by_post_author(self, created: Index) -> NDArray[np.int8]:
        """What a dump tells of ``wrote``: 1, 0, or -1 where it tells nothing."""
        both = self.known & self.known[self.root]
        told = np.where(created >= TOLD_FROM, self.wrote, -1)
        found = np.where(both, self.wrote, told)
        found[self.parent < 0] = 1
        return found.astype(np.int8)


def grow(rng: Rng, size: Index) -> Nodes:
    """Trees of ``size`` nodes, all prose."""
    parent = _shape.parents(rng, size)
    n = len(parent)
    tree = np.repeat(np.arange(len(size)), size)
    root = np.repeat(np.cumsum(size) - size, size)
    depth = _shape.sums(parent, (parent >= 0).astype(np.int64))
    is_leaf = np.ones(n, bool)
    is_leaf[parent[parent >= 0]] = False
    return Nodes(
        size, tree, parent, depth, root, _shape.delays(rng, parent), is_leaf,
        author=_shape.writers(rng, parent, depth, root, AUTHORS),
        kind=np.zeros(n, np.int8), known=np.ones(n, bool), meta=np.zeros(len(size), bool),
    )  # fmt: skip


def plant(rng: Rng, nodes: Nodes, kinds: dict[str, Kind], noise: float) -> None:
    """Give ``nodes`` their kinds, awards and lost authors."""
    code = {name: place for place, name in enumerate(kinds)}
    n, is_post = len(nodes.parent), nodes.parent < 0
    for rates, where in ((KIND_RATES, ~is_post), (POST_RATES, is_post)):
        luck, below = rng.random(n), 0.0
        for name, rate in rates.items():
            nodes.kind[where & (luck >= below) & (luck < below + rate * noise)] = code[name]
            below += rate * noise
    nodes.meta = rng.random(len(nodes.size)) < META * noise
    luck, choice = rng.random((2, n))
    bots = nodes.is_leaf & (nodes.depth >= 3)
    confirms = bots & (luck < CONFIRMED * noise)
    refuses = bots & ~confirms & (luck < (CONFIRMED + REFUSED) * noise)
    forms = np.array([code[name] for name in _CONFIRMATIONS])
    nodes.kind[confirms] = forms[np.floor(choice[confirms] * len(forms)).astype(np.int64)]
    nodes.kind[refuses] = code["refused"]
    _award(rng, nodes, confirms, refuses)
    automatic = nodes.is_leaf & (nodes.depth == 1) & (luck < AUTOMATIC * noise)
    nodes.kind[automatic] = code["automatic"]
    under = nodes.kind[np.maximum(nodes.parent, 0)] == code["removed"]
    notices = nodes.is_leaf & ~confirms & ~refuses & under & ~is_post & ~automatic
    notices &= choice < NOTICE * min(1.0, 5 * noise)
    nodes.kind[notices] = code["notice"]
    nodes.author[confirms | refuses] = DELTABOT
    nodes.author[automatic] = AUTOMODERATOR
    nodes.author[notices] = MODERATORS + rng.integers(0, N_MODERATORS, int(notices.sum()))
    lost = (nodes.kind == code["deleted"]) | (rng.random(n) < LOST_AUTHOR * noise)
    # Winners keep their names, so that every pair of a winner and a loser is by two speakers.
    nodes.known = ~lost | nodes.won | (nodes.author >= AUTHORS)
    nodes.wrote = nodes.author == nodes.author[nodes.root]


def _award(rng: Rng, nodes: Nodes, confirms: Mask, refuses: Mask) -> None:
    n = len(nodes.parent)
    nodes.confirmed, nodes.award, nodes.won = (np.zeros(n, bool) for _ in range(3))
    nodes.confirmed[nodes.parent[confirms]] = True
    nodes.award[nodes.parent[confirms | refuses]] = True
    nodes.won[nodes.parent[nodes.confirmed]] = True
    nodes.kind[nodes.award] = 0
    by_op = nodes.award & (rng.random(n) < BY_OP)
    nodes.author[by_op] = nodes.author[nodes.root[by_op]]


def rules(nodes: Nodes, kinds: dict[str, Kind], in_window: Mask) -> NDArray[np.int8]:
    """The number (of ``RULES``) of the rule that drops each node by itself, 0 for none."""
    of_kind = np.array([RULES.index(kind.rule) for kind in kinds.values()], np.int8)
    found = of_kind[nodes.kind]
    meta = np.int8(RULES.index("meta"))
    on_meta = (nodes.parent < 0) & nodes.meta[nodes.tree]
    found = np.where(on_meta & ((found == 0) | (found > meta)), meta, found)
    return np.where(in_window[nodes.tree], found, np.int8(RULES.index("window")))


def lengths(rng: Rng, nodes: Nodes, kinds: dict[str, Kind], mean_words: float) -> Index:
    """How many fragments the text of each node has; 0 where a template fills it."""
    is_post = nodes.parent < 0
    median = np.where(is_post, _POST_WORDS, _WORDS)
    spread = np.where(is_post, _POST_SPREAD, _WORDS_SPREAD)
    words = median * np.exp(spread * rng.standard_normal(len(is_post)))
    n = np.rint(np.minimum(words, _MOST_WORDS) / mean_words).astype(np.int64)
    code = {name: place for place, name in enumerate(kinds)}
    n = np.where(nodes.award, np.maximum(n, 6), np.maximum(n, 3))
    n = np.where(nodes.kind == code["short"], 2, n)
    return np.where((nodes.kind == code["prose"]) | (nodes.kind == code["short"]), n, 0)
