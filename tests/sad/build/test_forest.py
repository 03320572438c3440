import random

import numpy as np
import pytest

from sad.build import forest


def _random_forest(n, seed, shape):
    rng = random.Random(seed)
    pick = {
        "bushy": lambda i: rng.randrange(-1, i),
        "chain": lambda i: i - 1,
        "star": lambda i: 0 if i else -1,
        "comb": lambda i: i - 1 if i % 2 else i - 2 if i > 1 else -1,
    }[shape]
    parent = [max(-1, pick(i)) for i in range(n)]
    order = list(range(n))
    rng.shuffle(order)  # rows in any order
    place = {old: new for new, old in enumerate(order)}
    shuffled = [0] * n
    for i, p in enumerate(parent):
        shuffled[place[i]] = -1 if p < 0 else place[p]
    return np.array(shuffled, np.int64)


def _ancestors(parent, i):
    chain = [i]
    while parent[chain[-1]] >= 0:
        chain.append(parent[chain[-1]])
    return chain


@pytest.mark.parametrize("shape", ["bushy", "chain", "star", "comb"])
@pytest.mark.parametrize("n", [1, 2, 3, 50, 257])
def test_against_walking_up_node_by_node(shape, n):
    parent = _random_forest(n, n, shape)
    chains = [_ancestors(parent, i) for i in range(n)]
    flag = np.random.default_rng(1).random(n) < 0.1
    assert forest.depths(parent).tolist() == [len(c) - 1 for c in chains]
    assert forest.roots(parent).tolist() == [c[-1] for c in chains]
    assert forest.inherited(flag, parent).tolist() == [bool(flag[c].any()) for c in chains]
    leaf = forest.leaves(parent)
    assert set(leaf.tolist()) == set(range(n)) - set(parent.tolist())
    offsets, nodes = forest.root_to_leaf_paths(parent, leaf)
    for place, one in enumerate(leaf):
        assert nodes[offsets[place] : offsets[place + 1]].tolist() == chains[one][::-1]


def test_cycles_have_no_root():
    #  0 <- 1, and 2 -> 3 -> 4 -> 2 with 5 below it, and 6 its own parent
    parent = np.array([-1, 0, 3, 4, 2, 4, 6], np.int64)
    assert forest.roots(parent).tolist() == [0, 0, -1, -1, -1, -1, -1]


def test_no_nodes():
    nothing = np.array([], np.int64)
    assert forest.depths(nothing).tolist() == []
    assert forest.root_to_leaf_paths(nothing, nothing)[0].tolist() == [0]


def test_deep_chain_needs_no_recursion():
    parent = np.arange(-1, 100_000 - 1, dtype=np.int64)
    assert forest.depths(parent)[-1] == 99_999
