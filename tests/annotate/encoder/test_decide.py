import itertools
import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.metrics import f1_score

from annotate.encoder.decide import Decision, learn, probabilities
from annotate.encoder.use import decided, whole
from sad.types import Strategy

Q, C, E, A, S = Strategy
STEP = 32 ** (1 / 120)
"""Between two temperatures of the grid of 121 from 1/4 to 8."""


def _learn(logits, truth):
    found = learn(np.array(logits, float)[:, None], np.array(truth, float)[:, None])
    return found.temperatures[0], found.thresholds[0]


def test_probabilities_are_sigmoids():
    logits = np.array([[0.0, 2.0], [-3.0, 1e9], [1.0, -1e9]])
    found = probabilities(logits, (1.0, 4.0))
    expected = [[0.5, expit(0.5)], [expit(-3), 1.0], [expit(1), 0.0]]
    np.testing.assert_allclose(found, expected, atol=1e-15)


@pytest.mark.parametrize(("height", "right"), [(1.0, 80), (4.0, 80), (2.0, 60), (3.0, 97)])
def test_temperature_of_two_heights_in_closed_form(height, right):
    """Of logits +h and -h, r of 100 right: cross-entropy is least where sigmoid(h / T) = r."""
    truth = [1] * right + [0] * (100 - right) + [0] * right + [1] * (100 - right)
    found, _ = _learn([height] * 100 + [-height] * 100, truth)
    expected = height / math.log(right / (100 - right))
    assert expected / math.sqrt(STEP) <= found <= expected * math.sqrt(STEP) * 1.0001


@pytest.mark.parametrize("seed", range(5))
def test_temperature_by_another_optimiser(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=3, size=300)
    truth = (rng.random(300) < expit(logits / rng.uniform(0.5, 4))).astype(float)

    def entropy(log_temperature):
        chances = expit(logits / math.exp(log_temperature)).clip(1e-12, 1 - 1e-12)
        return -(truth * np.log(chances) + (1 - truth) * np.log(1 - chances)).mean()

    expected = math.exp(minimize_scalar(entropy, bounds=(-1.3, 2), method="bounded").x)
    assert _learn(logits, truth)[0] == pytest.approx(expected, rel=STEP - 1)


def test_temperatures_stay_in_their_range():
    assert _learn([1, -1] * 10, [1, 0] * 10)[0] == pytest.approx(0.25)  # always right
    assert _learn([1, -1] * 10, [0, 1] * 10)[0] == pytest.approx(8.0)  # always wrong


GRID = [hundredth / 100 for hundredth in range(2, 99)]


@pytest.mark.parametrize("seed", range(6))
def test_threshold_is_half_of_the_highest_f1_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=40)
    truth = (rng.random(40) < expit(logits)).astype(float)
    temperature, threshold = _learn(logits, truth)
    chances = expit(logits / temperature)
    highest = max(f1_score(truth, chances >= least) for least in GRID)
    assert threshold == pytest.approx(highest / 2)


def test_threshold_of_parted_labels_is_one_half():
    assert _learn([2.0, 1.0, -1.0, -2.0], [1, 1, 0, 0]) == (0.25, 0.5)


def test_threshold_of_right_chances_names_most_in_the_long_run():
    """Lipton et al. 2014: where chances are right, naming from half of the best F1 on is best."""
    rng = np.random.default_rng(0)
    logits = rng.normal(-1.0, 2.0, 40_000)
    truth = (rng.random(40_000) < expit(logits)).astype(float)
    temperature, threshold = _learn(logits, truth)
    chances = expit(logits / temperature)
    highest = max(f1_score(truth, chances >= least) for least in GRID[::4])
    assert temperature == pytest.approx(1.0, abs=0.05)
    assert f1_score(truth, chances >= threshold) >= highest - 0.002


def test_threshold_of_two_chances_in_closed_form():
    """Named are 73 of 100 true ones and nothing else, F1 146 / 173; all would be F1 200 / 273."""
    logits, truth = [1.0] * 73 + [-1.0] * 27 + [-1.0] * 73, [1] * 100 + [0] * 73
    assert _learn(logits, truth)[1] == pytest.approx(73 / 173)


def test_a_rare_label_without_any_chance_is_not_named_everywhere():
    logits = np.full(2000, -5.0)
    truth = np.zeros(2000)
    truth[:5] = 1
    assert _learn(logits, truth)[1] == 0.5


def test_labels_of_one_value_are_not_fitted():
    for truth in ([1, 1, 1], [0, 0, 0], [np.nan] * 3):
        assert _learn([1.0, 2.0, 3.0], truth) == (1.0, 0.5)


def test_what_is_not_annotated_decides_nothing():
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(size=(60, 3)), (rng.random((60, 3)) < 0.5).astype(float)
    truth[::3, 1] = np.nan
    found = learn(logits, truth)
    for place in range(3):
        known = ~np.isnan(truth[:, place])
        own = learn(logits[known, place : place + 1], truth[known, place : place + 1])
        assert (found.temperatures[place],) == own.temperatures
        assert (found.thresholds[place],) == own.thresholds


@pytest.mark.parametrize("named", [*itertools.product([False, True], repeat=5)])
def test_a_sentence_is_a_statement_exactly_where_it_is_nothing_else(named):
    chances = np.array([[0.6 if each else 0.4 for each in named]])
    (found,) = decided(chances, Decision((1.0,) * 5, (0.5,) * 5))
    others = [s for s, each in zip((Q, C, E, A), named[:4], strict=True) if each]
    expected = Strategy(0)
    for each in others:
        expected |= each
    assert found == (expected or S)


def test_each_label_has_its_own_threshold():
    decision = Decision((1.0,) * 5, (0.1, 0.9, 0.5, 0.5, 0.5))
    chances = np.array([[0.1, 0.89, 0.5, 0.4999, 0.0]])
    assert decided(chances, decision) == [Q | E]


def test_a_text_bears_what_one_of_its_sentences_bears():
    """1 - (1 - p) (1 - q), the sentences taken as independent."""
    chances = np.array([[0.5, 0.0, 1.0, 0.2, 0.1], [0.5, 0.0, 0.3, 0.1, 0.1]])
    assert whole(chances) == (0.75, 0.0, 1.0, 0.28, 0.19)
    assert whole(chances[:0]) == (0, 0, 0, 0, 1)
