import itertools

import numpy as np
import pytest

from annotate import exemplars, training
from annotate.exemplars import Exemplar, choose, covering, medoids
from sad.errors import SettingsError
from sad.types import NO_STRATEGY, Strategy

Q, C, E, A, S = Strategy


def _unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _angles(*degrees):
    turned = np.radians(degrees)
    return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)


def _union(sets):
    found = NO_STRATEGY
    for each in sets:
        found |= each
    return found


ANGLES = {"a": 0, "b": 10, "c": 20, "d": 90, "e": 95, "f": 130}
POOL = [Exemplar(text, "", found) for text, found in zip(ANGLES, (S, S, Q, S, A, C), strict=True)]


def _embed(texts):
    return _angles(*(ANGLES[text] for text in texts))


def test_pool_holds_nothing_that_is_held_out():
    kept = training.learnt_from(training.load())
    pool = exemplars.pool()
    assert len(pool) == len({s.utterance for s in kept})
    assert {e.topic for e in pool} == {s.topic for s in kept}
    assert _union(e.strategies for e in pool) == Q | C | E | A | S


def test_pool_joins_the_sentences_of_an_utterance():
    first = training.utterances(training.load())[0]
    assert len(first) == 3
    expected = Exemplar(
        " ".join(s.text for s in first), first[0].topic, _union(s.strategies for s in first)
    )
    assert exemplars.pool()[0] == expected


def test_static_takes_the_labels_in_turn():
    found = choose("static", 7)
    assert [e.strategies for e in found] == [Q, C, E, A, S, Q, C]
    assert len({e.text for e in found}) == 7
    assert choose("static", 3) == found[:3]
    assert choose("static", 0) == []


def test_static_gives_all_there_are():
    assert len(choose("static", 1000)) == 14  # three of each label, two Statements


def test_random_depends_on_its_seed_alone():
    drawn = choose("random", 4, among=POOL, seed=3)
    assert drawn == choose("random", 4, among=POOL, seed=3)
    assert len({e.text for e in drawn}) == 4
    assert len({tuple(choose("random", 4, among=POOL, seed=s)) for s in range(20)}) > 10
    assert {*choose("random", 99, among=POOL)} == {*POOL}


@pytest.mark.parametrize(
    ("query", "k", "expected"),
    [("a", 3, "cba"), ("e", 2, "de"), ("f", 4, "cdef"), ("d", 1, "d"), ("a", 99, "fedcba")],
)
def test_similar_shows_the_nearest_last(query, k, expected):
    found = choose("similar", k, among=POOL, query=query, embed=_embed)
    assert "".join(e.text for e in found) == expected


def test_medoids_of_two_bundles_by_hand():
    """0, 10, 20 and 90, 95, 130 degrees: the means point to 10 and to about 105."""
    for seed in range(10):
        assert {*medoids(_embed(ANGLES), 2, seed)} == {1, 4}


@pytest.mark.parametrize("seed", range(8))
def test_each_medoid_is_nearest_to_the_middle_of_its_cluster(seed):
    rng = np.random.default_rng(seed)
    vectors = _unit(rng.normal(size=(60, 4)))
    found = medoids(vectors, 5, seed)
    assert len({*found}) == 5
    nearest = np.array([max(range(5), key=lambda c: v @ vectors[found[c]]) for v in vectors])
    for cluster, place in enumerate(found):
        members = np.flatnonzero(nearest == cluster)
        total = {i: sum(float(vectors[i] @ vectors[j]) for j in members) for i in members}
        assert total[place] >= max(total.values()) - 1e-4


@pytest.mark.parametrize("seed", range(20))
def test_medoids_of_well_parted_clusters_are_the_best_there_are(seed):
    """By brute force over all sets of three."""
    rng = np.random.default_rng(seed)
    centres = np.eye(3)[[0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2]]
    vectors = _unit(centres + rng.normal(scale=0.1, size=centres.shape))

    def closeness(places):
        return (vectors @ vectors[list(places)].T).max(axis=1).sum()

    best = max(itertools.combinations(range(12), 3), key=closeness)
    found = medoids(vectors, 3, seed)
    assert closeness(found) == pytest.approx(closeness(best), abs=1e-5)


def test_medoids_depend_on_their_seed_alone():
    vectors = _unit(np.random.default_rng(0).normal(size=(80, 6)))
    assert medoids(vectors, 7, 1) == medoids(vectors, 7, 1)
    assert len({tuple(medoids(vectors, 7, seed)) for seed in range(10)}) > 1


def test_all_are_medoids_where_there_are_few():
    assert medoids(_angles(0, 50), 2) == [0, 1]
    assert medoids(_angles(0, 50), 9) == [0, 1]
    assert medoids(_angles(), 3) == []


def test_equal_texts_end_the_search():
    found = medoids(_angles(*[30] * 9), 3)
    assert len(found) == 3


def test_a_missing_strategy_replaces_the_nearest_medoid_that_can_be_spared():
    vectors = _angles(0, 40, 80, 50, 5)
    sets = [S, S, Q, C, S]
    assert covering([0, 1, 2], vectors, sets) == [0, 3, 2]  # at 50, next to the one at 40
    assert covering([2, 4, 0], vectors, sets) == [2, 3, 0]  # 5 degrees are nearer to 50 than 0


def test_nothing_changes_where_all_is_covered():
    assert covering([0, 2, 3], _angles(0, 40, 80, 50), [S, S, Q, C]) == [0, 2, 3]


def test_a_strategy_is_left_out_where_no_medoid_can_be_spared():
    assert covering([0, 1], _angles(0, 40, 80), [S, Q, C]) == [0, 1]


@pytest.mark.parametrize("seed", range(30))
def test_chosen_cover_all_strategies_of_the_pool(seed):
    """With five or more, every strategy of the pool is among the chosen, however rare."""
    rng = np.random.default_rng(seed)
    sets = [S] * 50 + [Strategy(int(mask)) for mask in rng.integers(1, 16, size=4)]
    vectors = _unit(rng.normal(size=(54, 3)))
    pool = [Exemplar(str(i), "", found) for i, found in enumerate(sets)]
    found = choose("medoids", 5, among=pool, seed=seed,
                   embed=lambda texts: vectors[[int(text) for text in texts]])  # fmt: skip
    assert len({e.text for e in found}) == 5
    assert _union(e.strategies for e in found) == _union(sets)


def test_what_is_missing_is_told():
    with pytest.raises(SettingsError, match="'best'; there are: static, random, similar, medoids"):
        choose("best", 3)
    for method in ("similar", "medoids"):
        with pytest.raises(SettingsError, match="an embedding is needed"):
            choose(method, 3, among=POOL)
