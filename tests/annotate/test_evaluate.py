import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from annotate import gold
from annotate.encoder.decide import bins, expected_calibration_error
from annotate.evaluate import Answers, answers, average_precision, require, scores, table
from annotate.labeller import Item, Label, Side
from sad.errors import DataError, MissingExtraError
from sad.types import NO_STRATEGY, STRATEGY_LABELS, Stance, Strategy

Q, C, E, A, S = Strategy


class Told:
    """A labeller that answers what it is told."""

    source, model, prompt_digest, alone = "model", "abc", None, True

    def __init__(self, kind, given, name="told"):
        self.kind, self.name, self._given = kind, name, given

    def label(self, items):
        return (self._given[item.id] for item in items)


def _label(found, scores=(0.5,) * 5):
    return Label(found, scores, ())


def _gold(targets, groups=None, stance=None, name="g"):
    n = len(targets)
    items = [Item(str(i), f"text {i}") for i in range(n)]
    sides = np.full(n, np.nan) if stance is None else np.array(stance, float)
    return gold.Gold(name, "d" * 64, items, groups or [str(i) for i in range(n)],
                     np.array(targets, float), sides)  # fmt: skip


def _random(seed, n=200, missing=0.0):
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, 5)) < 0.3).astype(float)
    truth[rng.random((n, 5)) < missing] = np.nan
    chances = rng.random((n, 5)).round(2)  # so that some are equal
    named = (chances > 0.5).astype(float)
    known = _gold(truth, [str(i % 40) for i in range(n)])
    return Answers("told", None, known, STRATEGY_LABELS, truth, named, chances)


def _values(found):
    return {(score["label"], score["metric"]): score["value"] for score in scores(found)}


@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_scikit_learn(seed, missing):
    found = _random(seed, missing=missing)
    told = _values(found)
    known = ~np.isnan(found.truth)
    for place, label in enumerate(STRATEGY_LABELS):
        rows = known[:, place]
        truth, named = found.truth[rows, place], found.named[rows, place]
        chances = found.chances[rows, place]
        for name, value in {
            "precision": metrics.precision_score(truth, named),
            "recall": metrics.recall_score(truth, named),
            "f1": metrics.f1_score(truth, named),
            "average_precision": metrics.average_precision_score(truth, chances),
        }.items():
            assert told[label, name] == pytest.approx(value, abs=1e-6), (label, name)
    assert told["all", "micro_f1"] == pytest.approx(
        metrics.f1_score(found.truth[known], found.named[known]), abs=1e-6
    )
    each = [told[label, "f1"] for label in STRATEGY_LABELS]
    assert told["all", "macro_f1"] == pytest.approx(np.mean(each), abs=1e-6)
    if missing:
        assert ("all", "subset_accuracy") not in told
    else:
        exact = metrics.accuracy_score(found.truth, found.named)
        assert told["all", "subset_accuracy"] == pytest.approx(exact, abs=1e-6)


def test_average_precision_by_hand():
    """Ranks 1 and 3 of four are right: (1/1 + 2/3) / 2; equal chances come at once."""
    truth = np.array([1.0, 0, 1, 0])
    assert average_precision(np.array([0.9, 0.8, 0.7, 0.6]), truth) == pytest.approx(5 / 6)
    assert average_precision(np.array([0.9, 0.7, 0.7, 0.6]), truth) == pytest.approx(5 / 6)
    assert average_precision(np.array([0.7, 0.9, 0.7, 0.6]), truth) == pytest.approx(2 / 3)
    assert average_precision(np.full(4, 0.5), truth) == 0.5  # the base rate
    assert average_precision(np.array([0.1, 0.2]), np.zeros(2)) == 0.0
    assert average_precision(np.zeros(0), np.zeros(0)) == 0.0


def test_calibration_error_by_hand():
    """Bins 0.0 to 0.1 (two: mean 0.05, none true) and 0.9 to 1 (two: mean 0.95, half true)."""
    chances, truth = np.array([0.02, 0.08, 0.9, 1.0]), np.array([0.0, 0, 1, 0])
    assert expected_calibration_error(chances, truth) == pytest.approx((2 * 0.05 + 2 * 0.45) / 4)
    mean, share, count = bins(chances, truth)
    assert count.tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert (mean[9], share[9]) == (pytest.approx(0.95), 0.5)
    assert expected_calibration_error(np.zeros(0), np.zeros(0)) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_of_one_bin_is_the_distance_of_the_means(seed):
    rng = np.random.default_rng(seed)
    chances, truth = rng.uniform(0.301, 0.399, 50), (rng.random(50) < 0.5).astype(float)
    expected = abs(chances.mean() - truth.mean())
    assert expected_calibration_error(chances, truth) == pytest.approx(expected)


def test_bins_are_those_of_scikit_learn():
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(0)
    chances = rng.uniform(0.001, 0.999, 500)
    truth = (rng.random(500) < chances).astype(float)
    mean, share, count = bins(chances, truth)
    assert (count > 0).all()
    expected = calibration_curve(truth, chances, n_bins=10)
    np.testing.assert_allclose((share, mean), expected)


def test_labels_that_are_not_annotated_are_not_judged():
    """Changing what was said of them changes nothing."""
    found = _random(5, missing=0.5)
    before = scores(found)
    unknown = np.isnan(found.truth)
    found.named[unknown] = 1 - found.named[unknown]
    found.chances[unknown] = 1 - found.chances[unknown]
    assert scores(found) == before


def test_a_label_that_nobody_annotated_has_no_score():
    found = _random(6)
    found.truth[:, 1] = np.nan
    told = scores(found)
    assert {score["label"] for score in told} == {*STRATEGY_LABELS, "all"} - {"Causality"}
    each = [s["value"] for s in told if s["metric"] == "f1"]
    macro = next(s["value"] for s in told if s["metric"] == "macro_f1")
    assert macro == pytest.approx(np.mean(each), abs=1e-6)


def test_counts_of_texts_and_groups():
    """A text of which nothing is annotated counts for no score of strategies."""
    nan = np.nan
    truth = [[1, 1, nan, nan, nan], [0, 0, nan, nan, nan], [1, nan, nan, nan, nan], [nan] * 5]
    known = _gold(truth, ["x", "x", "y", "z"], [nan, nan, nan, 1])
    given = {str(i): _label(Q) for i in range(4)}
    told = {(s["label"], s["metric"]): s for s in scores(answers(Told("strategies", given), known))}
    counts = {k: (s["n"], s["n_trees"], s["positives"]) for k, s in told.items()}
    assert counts["Question", "f1"] == (3, 2, 2)
    assert counts["Causality", "f1"] == (2, 1, 1)
    assert counts["all", "micro_f1"] == (3, 2, 3)
    assert told["Question", "precision"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert told["Causality", "f1"]["low"] is None  # one group gives no interval


def test_intervals_are_drawn_over_groups():
    """Where all groups are alike, there is nothing to be unsure of."""
    truth, named = [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]] * 10, [Q, Q] * 10
    known = _gold(truth, [str(i // 2) for i in range(20)])
    given = {str(i): _label(found) for i, found in enumerate(named)}
    told = scores(answers(Told("strategies", given), known))
    precision = next(s for s in told if (s["label"], s["metric"]) == ("Question", "precision"))
    assert (precision["low"], precision["value"], precision["high"]) == (0.5, 0.5, 0.5)


def test_stances_by_hand():
    """Of five texts with a side: right on both supports and one of three that oppose."""
    known = _gold([[np.nan] * 5] * 6, stance=[1, 1, 0, 0, 0, np.nan])
    sides = [(1, 0.9), (1, 0.8), (0, 0.2), (1, 0.7), (1, 0.6), (0, 0.1)]
    given = {str(i): Side(Stance(side), p) for i, (side, p) in enumerate(sides)}
    told = _values(answers(Told("stance", given), known))
    assert told["stance", "accuracy"] == pytest.approx(3 / 5)
    f1 = {"support": 2 * 2 / (2 * 2 + 2), "oppose": 2 * 1 / (2 * 1 + 2)}
    assert told["stance", "macro_f1"] == pytest.approx(sum(f1.values()) / 2, abs=1e-6)
    assert told["support", "precision"] == pytest.approx(0.5)
    assert told["support", "recall"] == 1.0
    assert told["support", "average_precision"] == 1.0


@pytest.mark.parametrize("nothing", [Side(None, 0.5), None])
@pytest.mark.parametrize("truth", [0, 1])
def test_no_side_is_a_wrong_stance_whatever_the_truth(nothing, truth):
    """Right on one text of two; the one without a side is the other."""
    known = _gold([[np.nan] * 5] * 3, stance=[truth, truth, np.nan])
    given = {"0": Side(Stance(truth), 0.5), "1": nothing, "2": nothing}
    found = answers(Told("stance", given), known)
    assert _values(found)["stance", "accuracy"] == 0.5
    assert found.named[:2, 0].tolist() == [truth, 1 - truth]
    assert found.chances[:, 0].tolist() == [0.5] * 3
    assert found.unanswered == (2 if nothing is None else 0)


def test_always_unclear_is_never_right():
    known = _gold([[np.nan] * 5] * 4, stance=[1, 0, 0, 0])
    told = _values(answers(Told("stance", {str(i): Side(None, 0.5) for i in range(4)}), known))
    assert told["stance", "accuracy"] == told["stance", "macro_f1"] == 0
    assert told["support", "average_precision"] == 0.25  # the base rate


def test_gold_without_labels_of_the_kind_is_told():
    known = _gold([[1, 0, 0, 0, 0]])
    with pytest.raises(DataError, match="g: has no stance for told to be judged by"):
        answers(Told("stance", {}), known)


def test_a_labeller_is_refused_for_any_of_the_gold_sets():
    both, one = _gold([[1, 0, 0, 0, 0]], stance=[1], name="both"), _gold([[1, 0, 0, 0, 0]])
    fit, unfit = Told("strategies", {}), Told("stance", {})
    require([fit], [both, one])
    require([fit, unfit], [both])
    with pytest.raises(DataError, match="g: has no stance for told to be judged by"):
        require([fit, unfit], [both, one])


def _unloaded():
    raise AssertionError("a labeller was loaded")
    yield


def test_two_gold_sets_of_one_name_are_refused_before_labellers_are_loaded():
    known = _gold([[1, 0, 0, 0, 0]])
    with pytest.raises(DataError, match="g: two gold sets have this name; rename"):
        require(_unloaded(), [known, replace(known, digest="e" * 64)])
    require([], [known, known])


def test_missing_matplotlib_is_told_before_labellers_are_loaded(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"matplotlib .*\[labels\]"):
        require(_unloaded(), [_gold([[1, 0, 0, 0, 0]])])


def test_texts_are_asked_in_order_and_progress_is_told():
    n, seen = 2500, []
    known = _gold(np.zeros((n, 5)))
    given = {str(i): _label(S, (i / n, 0, 0, 0, 1)) for i in range(n)}
    found = answers(Told("strategies", given), known, lambda *told: seen.append(told))
    assert found.chances[:, 0].tolist() == [i / n for i in range(n)]
    assert seen[-1] == (n, n) and len(seen) > 1


def test_blank_texts_bear_nothing():
    found = answers(Told("strategies", {"0": Label(NO_STRATEGY, (0.0,) * 5, ())}), _gold([[0] * 5]))
    assert found.named.tolist() == [[0] * 5]


def test_labels_without_positives_have_a_calibration_alone():
    """Precision, recall and F1 say nothing of them, nor does the macro mean count them."""
    truth = [[1, 0, 0, 0, 0], [1, 0, 0, 0, 1], [0, 0, 0, 0, 1]]
    given = {"0": _label(Q), "1": _label(Q | C), "2": _label(Q)}
    told = _values(answers(Told("strategies", given), _gold(truth)))
    assert {metric for label, metric in told if label == "Causality"} == {"calibration_error"}
    f1 = {"Question": 2 * 2 / (2 * 2 + 1), "Statement": 0.0}
    assert told["all", "macro_f1"] == pytest.approx(sum(f1.values()) / 2, abs=1e-6)


def test_no_answer_finds_nothing():
    truth = [[1, 0, 0, 0, 0], [1, 0, 0, 0, 0]]
    found = answers(Told("strategies", {"0": _label(Q), "1": None}), _gold(truth))
    assert found.unanswered == 1
    assert _values(found)["Question", "recall"] == 0.5


def test_gold_without_any_positive_label_has_no_f1():
    """One of three texts is rightly given nothing; each label is wrong in at most one."""
    given = {"0": _label(NO_STRATEGY), "1": _label(Q), "2": _label(C)}
    told = scores(answers(Told("strategies", given), _gold([[0] * 5] * 3)))
    of_all = {
        s["metric"]: (s["value"], s["n"], s["positives"]) for s in told if s["label"] == "all"
    }
    assert of_all == {"subset_accuracy": (pytest.approx(1 / 3, abs=1e-6), 3, 0)}
    assert {s["metric"] for s in told if s["label"] != "all"} == {"calibration_error"}
    assert {tuple(row[3:]) for row in table(told)} == {("3", "0", "-", "-", "-", "-")}


def test_gold_of_some_labels_without_positives_has_no_score_of_sets():
    truth = [[0, np.nan, np.nan, np.nan, np.nan]] * 2
    told = _values(answers(Told("strategies", {"0": _label(Q), "1": _label(S)}), _gold(truth)))
    assert {*told} == {("Question", "calibration_error")}
