import krippendorff
import numpy as np
import pytest
from nltk.metrics.agreement import AnnotationTask
from nltk.metrics.distance import jaccard_distance, masi_distance
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_kappa

from sad.metrics import agreement, intervals

LETTERS = "QCEAS"
TEXTBOOK = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip
SETS = ["S S S", "SE S SE", "Q Q QS", "C CS S", "A E A", "QC QC C"]
"""Oracle 3 of the specification, 11.4: one item a line, one set a rater."""


def _mask(letters):
    return sum(1 << LETTERS.index(letter) for letter in letters)


def _members(mask):
    return frozenset(letter for bit, letter in enumerate(LETTERS) if mask >> bit & 1)


def _table(grid, n_values):
    """Counts [N, C] of values [N, R], in which -1 is a missing vote."""
    items, raters = np.nonzero(np.asarray(grid) >= 0)
    return agreement.tally(items, np.asarray(grid)[items, raters], len(grid), n_values)


def _kappa(table):
    return float(agreement.kappa(agreement.pairs(table).sum(axis=0)))


def _alpha(table, distance):
    return float(agreement.alpha(agreement.disagreements(table, distance).sum(axis=0), distance))


def _random(seed, n_values, missing, first=0):
    """Votes of four on 30 items, half of them the truth, some missing."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(first, n_values, (30, 1))
    grid = np.where(rng.random((30, 4)) < 0.5, truth, rng.integers(first, n_values, (30, 4)))
    return np.where(rng.random((30, 4)) < missing, -1, grid)


def test_tally_by_hand():
    assert agreement.tally([0, 0, 2], [1, 1, 0], 3, 2).tolist() == [[0, 2], [0, 0], [1, 0]]


def test_kappa_of_the_textbook():
    assert _kappa(np.array(TEXTBOOK, float)) == pytest.approx(0.20993, abs=5e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_values", [2, 5])
def test_kappa_of_complete_votes_equals_statsmodels(seed, n_values):
    table = _table(_random(seed, n_values, missing=0), n_values)
    assert _kappa(table) == pytest.approx(statsmodels_kappa(table), abs=1e-9)


GRID = np.array([[_mask(letters) for letters in line.split()] for line in SETS])


@pytest.mark.parametrize(
    ("letter", "expected"),
    [("Q", 0.7231), ("C", 0.7231), ("E", 0.2000), ("A", 0.4375), ("S", 0.5556)],
)
def test_kappa_per_label_of_the_sets(letter, expected):
    table = _table(GRID >> LETTERS.index(letter) & 1, 2)
    assert _kappa(table) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("distance", "expected"),
    [(agreement.masi_distance(5), 0.436340), (agreement.jaccard_distance(5), 0.495763)],
)
def test_alpha_of_the_sets(distance, expected):
    assert _alpha(_table(GRID, 32), distance) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (agreement.masi_distance(5), masi_distance),
        (agreement.jaccard_distance(5), jaccard_distance),
    ],
)
def test_distances_of_all_sets_equal_nltk(ours, theirs):
    masks = range(1, 32)  # nltk has no distance of the empty set
    found = [[theirs(_members(a), _members(b)) for b in masks] for a in masks]
    assert ours[1:, 1:] == pytest.approx(np.array(found), abs=1e-12)
    assert ours[0].tolist() == [0.0] + [1.0] * 31
    assert (ours == ours.T).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("missing", [0, 0.3, 0.6])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (agreement.masi_distance(5), masi_distance),
        (agreement.jaccard_distance(5), jaccard_distance),
        (agreement.nominal(32), lambda a, b: float(a != b)),
    ],
)
def test_alpha_with_missing_votes_equals_nltk(seed, missing, ours, theirs):
    grid = _random(seed, 32, missing, first=1)
    triples = [
        (f"rater {r}", f"item {i}", _members(value))
        for i, row in enumerate(grid)
        for r, value in enumerate(row)
        if value >= 0
    ]
    expected = AnnotationTask(data=triples, distance=theirs).alpha()
    assert _alpha(_table(grid, 32), ours) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("missing", [0, 0.4])
@pytest.mark.parametrize("n_values", [2, 6])
def test_nominal_alpha_equals_the_package_krippendorff(seed, missing, n_values):
    grid = _random(seed, n_values, missing)
    expected = krippendorff.alpha(
        reliability_data=np.where(grid < 0, np.nan, grid).T, level_of_measurement="nominal"
    )
    found = _alpha(_table(grid, n_values), agreement.nominal(n_values))
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_items_with_one_vote_or_none_count_nowhere(seed):
    table = _table(_random(seed, 3, missing=0.3), 3)
    more = np.vstack([table, [[0, 0, 0], [1, 0, 0], [0, 0, 1]]])
    assert _kappa(more) == _kappa(table)
    assert _alpha(more, agreement.nominal(3)) == _alpha(table, agreement.nominal(3))


@pytest.mark.parametrize("table", [[[3, 0], [2, 0]], [[3, 0], [0, 2]], [[0, 5]]])
def test_unanimous_votes_agree_fully(table):
    assert _kappa(np.array(table, float)) == 1
    assert _alpha(np.array(table, float), agreement.nominal(2)) == 1


def test_raw_agreement_by_hand():
    # of three votes 2:1, one pair of three agrees; of two votes, the pair agrees
    table = np.array([[2, 1], [2, 0], [1, 0]], float)
    assert agreement.raw(agreement.pairs(table).sum(axis=0)) == pytest.approx((1 / 3 + 1) / 2)


def test_kappa_with_missing_votes_by_hand():
    # raw 2/3; shares of the values 4/5 and 1/5, so chance is 17/25
    table = np.array([[2, 1], [2, 0]], float)
    assert _kappa(table) == pytest.approx((2 / 3 - 17 / 25) / (1 - 17 / 25))


@pytest.mark.parametrize("seed", range(3))
def test_entropy_equals_scipy(seed):
    table = np.random.default_rng(seed).integers(0, 4, (20, 5)) + np.eye(5)[0]
    expected = stats.entropy(table, base=2, axis=1)
    assert agreement.entropy(table) == pytest.approx(expected, abs=1e-12)


def test_entropy_of_unanimous_votes_is_a_plain_zero():
    assert str(agreement.entropy(np.array([[3.0, 0.0]]))[0]) == "0.0"


@pytest.mark.parametrize("seed", range(3))
def test_cohen_equals_scikit_learn_pair_by_pair(seed):
    rng = np.random.default_rng(seed)
    places, first = rng.integers(0, 3, 90), rng.integers(0, 4, 90)
    second = np.where(rng.random(90) < 0.5, first, rng.integers(0, 4, 90))
    n, raw, kappa = agreement.cohen(places, first, second, 3, 4)
    for pair in range(3):
        one, other = first[places == pair], second[places == pair]
        assert n[pair] == len(one)
        assert raw[pair] == pytest.approx((one == other).mean())
        assert kappa[pair] == pytest.approx(cohen_kappa_score(one, other), abs=1e-9)


def test_cohen_of_one_value_only_is_one():
    assert agreement.cohen(np.zeros(3, int), np.ones(3, int), np.ones(3, int), 1, 2)[2] == [1.0]


# Intervals


def _mean(summed):
    return summed[..., 0] / summed[..., 1]


def _stats(values):
    return np.column_stack([values, np.ones(len(values))])


def test_few_trees_are_drawn_by_one_multinomial():
    sums = _stats(np.random.default_rng(0).normal(size=40))
    drawn = np.random.default_rng(13).multinomial(40, np.full(40, 1 / 40), size=300)
    low, high = np.percentile(_mean(drawn @ sums), [2.5, 97.5])
    names = [f"{i:02}" for i in range(40)]  # trees are drawn in the order of their names
    found = intervals.bootstrap(sums, names, _mean, resamples=300)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize("few", [4000, 10])
def test_little_memory_gives_the_same_draws(monkeypatch, few):
    monkeypatch.setattr(intervals, "_FEW", few)
    sums = _stats(np.random.default_rng(0).normal(size=50))
    whole = intervals.resampled(sums, 100, seed=1)
    monkeypatch.setattr(intervals, "_CELLS", 120)
    assert intervals.resampled(sums, 100, seed=1) == pytest.approx(whole, abs=1e-9)


@pytest.mark.parametrize("equal", [False, True])
def test_many_trees_have_the_interval_of_theory(equal):
    values = np.random.default_rng(0).normal(size=6000)
    values = np.sign(values) if equal else values  # two different rows, or 6,000
    found = intervals.bootstrap(_stats(values), range(6000), _mean, resamples=1000)
    half = 1.96 * values.std() / 6000**0.5
    assert found.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.15 * half)


@pytest.mark.parametrize("equal", [False, True])
def test_every_resample_of_many_trees_holds_as_many(equal):
    values = np.arange(5000) % 3 if equal else np.arange(5000)
    drawn = intervals.resampled(_stats(values.astype(float)), 20, seed=3)
    assert (drawn[:, 1] == 5000).all()
    assert len(set(drawn[:, 0])) > 15


def test_sums_per_tree_by_hand():
    found = intervals.per_tree(np.array([[1.0, 2], [3, 4], [5, 6]]), np.array([1, 0, 1]), 3)
    assert found.tolist() == [[3, 4], [6, 8], [0, 0]]
