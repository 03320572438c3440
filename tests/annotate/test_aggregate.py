import json
import shutil
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from crowdkit.aggregation import DawidSkene, MajorityVote, Wawa

from annotate import dawid_skene, methods, votes
from annotate.aggregate import labelled, run
from annotate.ballots import cast
from annotate.methods import METHODS
from sad import sample
from sad.build import folder
from sad.errors import DataError, LabelError, MissingExtraError, SettingsError
from sad.types import STRATEGY_LABELS, Strategy

pytestmark = pytest.mark.filterwarnings("ignore:The (inplace|copy) keyword:DeprecationWarning")

Q, C, E, A, S = ([name] for name in STRATEGY_LABELS)


@pytest.fixture(autouse=True)
def _one_start(monkeypatch):
    """MACE starts once: these data have one optimum, and the tests have little time."""
    monkeypatch.setattr(methods, "RESTARTS", 1)


def _vote(annotator, value, *, utterance="u", kind="strategies", source="crowd"):
    return {"utterance_id": utterance, "annotator": annotator, "kind": kind, "value": value,
            "spans": [], "source": source}  # fmt: skip


def _table(cast_votes):
    return pl.DataFrame(list(cast_votes), schema=votes.VOTES)


def _sets(cast_votes, method, weights=None):
    """Utterance -> strategies under ``method``."""
    rows, _ = labelled(_table(cast_votes), METHODS[method], method, weights or {})
    return dict(rows.select("utterance_id", "strategies").iter_rows())


def _one(values, method, weights=None):
    cast_votes = [_vote(f"a{i}", value) for i, value in enumerate(values)]
    return _sets(cast_votes, method, weights)["u"]


def _rated(seed, errors, n=400, share=0.4, missing=0.0):
    """Truth [N], and items, raters and votes [V] of raters who flip it with their ``errors``."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < share
    said = truth[:, None] ^ (rng.random((n, len(errors))) < errors)
    there = rng.random(said.shape) >= missing
    there[:, 0] = True
    items, raters = np.nonzero(there)
    return truth, items, raters, said[items, raters]


def _stances(items, raters, named):
    """The same as stance votes, with a strategy vote on each utterance."""
    sides = [
        _vote(f"a{r}", [("oppose", "support")[v]], utterance=f"u{i:04}", kind="stance")
        for i, r, v in zip(items, raters, named.tolist(), strict=True)
    ]
    return _table([*sides, *(_vote("a0", S, utterance=f"u{i:04}") for i in set(items))])


def _scores(table, method, weights=None):
    return METHODS[method](cast(table, "stance"), weights or {}).scores[:, 0]


def _frame(items, raters, named):
    return pd.DataFrame({"task": items, "worker": raters, "label": named.astype(int)})


# Rules that look at one utterance


@pytest.mark.parametrize(
    ("method", "values", "expected"),
    [
        ("union", [Q, S, S], Q + S),
        ("union", [C + S, Q], Q + C + S),
        ("intersection", [Q + S, Q, Q + C], Q),
        ("intersection", [Q + S, Q, S], Q + S),  # nobody has all: those with the most votes
        ("intersection", [Q, Q, S], Q),
        ("majority", [Q + S, Q, S], Q + S),
    ],
)
def test_sets_by_hand(method, values, expected):
    assert _one(values, method) == expected


@pytest.mark.parametrize("method", METHODS)
def test_a_single_vote_is_kept(method):
    assert _one([C + S], method) == C + S


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_text_stays_empty(method):
    assert _one([[], []], method) == []


@pytest.mark.parametrize("method", METHODS)
def test_unanimous_votes_are_kept(method):
    truth = {f"u{i}": [Q, S, Q + S, C, E + S, A][i % 6] for i in range(12)}
    rows = [_vote(f"a{r}", v, utterance=u) for u, v in truth.items() for r in range(3)]
    assert _sets(rows, method) == truth


def _noisy(seed=0, n=60):
    """Votes of four annotators on the five labels, a quarter of them missing."""
    rng = np.random.default_rng(seed)
    truth, rows = rng.integers(1, 32, n), []
    for i, r in np.argwhere(rng.random((n, 4)) < 0.75):
        flips = int((rng.random(5) < 0.15) @ (1 << np.arange(5)))
        value = Strategy(int(truth[i]) ^ flips or int(truth[i])).labels()
        rows.append(_vote(f"a{r}", value, utterance=f"u{i:02}"))
    return rows


@pytest.mark.parametrize("method", METHODS)
def test_order_of_the_votes_changes_nothing(method):
    rows = _noisy()
    found = _sets(rows, method)
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    assert _sets(shuffled, method) == found
    assert set(found) == {row["utterance_id"] for row in rows}


@pytest.mark.parametrize("method", METHODS)
def test_names_of_the_method_and_the_sources_are_told(method):
    rows = [_vote("a", Q), _vote("b", Q + S, source="llm"), _vote("c", Q, utterance="v")]
    table, _ = labelled(_table(rows), METHODS[method], method, {})
    assert dict(table.select("utterance_id", "label_source").iter_rows()) == {
        "u": f"stance:structure; strategies:{method}(crowd+llm x2)",
        "v": "stance:structure; strategies:crowd(c)",
    }


@pytest.mark.parametrize("method", METHODS)
def test_voting_twice_is_refused(method):
    with pytest.raises(LabelError, match="a voted twice on u"):
        _sets([_vote("a", Q), _vote("b", S), _vote("a", S)], method)


@pytest.mark.parametrize("method", METHODS)
def test_stances_alone_are_refused(method):
    with pytest.raises(DataError, match="none is on strategies"):
        _sets([_vote("a", ["support"], kind="stance")], method)


@pytest.mark.parametrize("method", METHODS)
def test_unclear_counts_as_no_side(method):
    told = [_vote("a", S), *(_vote("b", S, utterance=u) for u in "vw")]
    sides = [("u", "a", "support"), ("u", "b", "unclear"), ("u", "c", "unclear"),
             ("v", "a", "unclear"), ("w", "a", "oppose")]  # fmt: skip
    rows = told + [_vote(a, [v], utterance=u, kind="stance") for u, a, v in sides]
    table, _ = labelled(_table(rows), METHODS[method], method, {})
    found = dict(table.select("utterance_id", "stance").iter_rows())
    assert found == {"u": 1, "v": None, "w": 0}
    assert table.filter(utterance_id="u")["label_source"][0].startswith("stance:crowd(a);")


@pytest.mark.parametrize("seed", range(3))
def test_majority_equals_crowd_kit(seed):
    _, items, raters, named = _rated(seed, [0.1, 0.2, 0.3, 0.4], missing=0.3)
    ours = _scores(_stances(items, raters, named), "majority")
    theirs = MajorityVote().fit_predict_proba(_frame(items, raters, named))[1]
    assert ours == pytest.approx(theirs.to_numpy(), abs=1e-9)


# Weights


@pytest.mark.parametrize("seed", range(3))
def test_weights_by_agreement_equal_wawa(seed):
    _, items, raters, named = _rated(seed, [0.05, 0.1, 0.2, 0.3, 0.45])
    ours = _scores(_stances(items, raters, named), "weighted")
    # Wawa().predict does not run with scikit-learn 1.9; these are its two steps
    frame = _frame(items, raters, named)
    theirs = MajorityVote().fit(frame, skills=Wawa().fit(frame).skills_).probas_[1]
    assert ours == pytest.approx(theirs.to_numpy(), abs=1e-9)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"a0": 3, "a1": 1, "a2": 1}, Q),
        ({"a0": 1, "a1": 1, "a2": 1}, S),
        ({"a0": 2, "a1": 1, "a2": 1}, Q + S),  # half of the weight each: a tie, so both
        ({"a0": 0.3, "a1": 0.1, "a2": 0.2}, Q + S),  # 0.1 + 0.2 > 0.3 in floating point only
        ({"a0": 1, "a1": 0, "a2": 0}, Q),
        ({"a0": 0, "a1": 0, "a2": 0}, S),  # nobody has weight, so all count the same
    ],
)
def test_weight_given_to_annotators_decides(weights, expected):
    assert _one([Q, S, S], "weighted", weights) == expected


def test_weights_are_told():
    rows = [_vote("a", Q), _vote("b", S), _vote("c", S)]
    _, told = labelled(_table(rows), METHODS["weighted"], "weighted", {"a": 5.0})
    # b and c agree with the majority (S) in all five decisions
    assert told["strategies"] == {"a": {"weight": 5.0}, "b": {"weight": 1.0}, "c": {"weight": 1.0}}


@pytest.mark.parametrize(
    ("method", "weights", "message"),
    [
        ("weighted", {"nobody": 1.0}, "nobody of that name"),
        ("weighted", {"simulated-1": -1.0}, "expected a number, 0 or more"),
        ("weighted", {"simulated-1": float("nan")}, "expected a number, 0 or more"),
        ("weighted", {"simulated-1": float("inf")}, "expected a number, 0 or more"),
        ("majority", {"simulated-1": 1.0}, "goes with --method weighted"),
    ],
)
def test_weights_that_make_no_sense_are_refused(built_sample, method, weights, message):
    with pytest.raises(SettingsError, match=message):
        run(built_sample, method, [sample.VOTES], weights)


# Dawid and Skene


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rounds", [1, 2, 5, 20])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_dawid_skene_equals_crowd_kit_round_by_round(seed, rounds, missing):
    _, items, raters, named = _rated(seed, [0.1, 0.2, 0.3, 0.25, 0.4], n=80, missing=missing)
    ours = dawid_skene.fit(items, raters, named, smoothing=0, rounds=rounds, tolerance=-1)
    theirs = DawidSkene(n_iter=rounds, tol=-1e9).fit(_frame(items, raters, named))
    assert ours.rounds == rounds
    assert ours.posterior == pytest.approx(theirs.probas_[1].to_numpy(), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("raters", [3, 5])
def test_dawid_skene_of_equal_symmetric_raters_is_the_majority(seed, raters):
    _, items, who, named = _rated(seed, [0.2] * raters, n=3000, share=0.5)
    found = dawid_skene.fit(items, who, named)
    majority = np.bincount(items, named) * 2 > raters
    assert ((found.posterior > 0.5) == majority).all()


@pytest.mark.parametrize("seed", range(5))
def test_dawid_skene_beats_the_majority_where_one_of_five_is_adversarial(seed):
    truth, items, raters, named = _rated(seed, [0.2, 0.2, 0.2, 0.2, 0.9], n=1000, share=0.5)
    found = dawid_skene.fit(items, raters, named)
    right = ((found.posterior > 0.5) == truth).mean()
    assert right > ((np.bincount(items, named) * 2 > 5) == truth).mean() + 0.02
    assert found.sensitivity[4] < 0.2 < 0.7 < found.sensitivity[:4].min()


def test_dawid_skene_finds_the_rates_of_the_raters():
    rng = np.random.default_rng(0)
    truth = rng.random(5000) < 0.3
    sensitivity, specificity = np.array([0.9, 0.7, 0.8]), np.array([0.95, 0.9, 0.75])
    said = rng.random((5000, 3)) < np.where(truth[:, None], sensitivity, 1 - specificity)
    items, raters = np.divmod(np.arange(15_000), 3)
    found = dawid_skene.fit(items, raters, said.ravel())
    assert found.sensitivity == pytest.approx(sensitivity, abs=0.06)
    assert found.specificity == pytest.approx(specificity, abs=0.06)
    assert found.prior == pytest.approx(0.3, abs=0.04)


def test_first_round_of_dawid_skene_by_hand():
    # item 0: yes yes, item 1: yes no, item 2: no no; shares 1, 1/2, 0
    items, raters = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1] * 3)
    named = np.array([True, True, True, False, False, False])
    found = dawid_skene.fit(items, raters, named, rounds=1)
    # smoothed with one count each: hits of rater 0 are 1.5 of 1.5, of rater 1 1 of 1.5
    assert found.sensitivity == pytest.approx([2.5 / 3.5, 2 / 3.5])
    # rejections of rater 0 are 1 of 1.5, of rater 1 1.5 of 1.5
    assert found.specificity == pytest.approx([2 / 3.5, 2.5 / 3.5])
    assert found.prior == pytest.approx(2.5 / 5)
    yes, no = (2.5 * 2) / 3.5**2, (1.5 * 1) / 3.5**2
    assert found.posterior[0] == pytest.approx(yes / (yes + no))


def test_dawid_skene_tells_rates_per_annotator_and_label():
    _, told = labelled(_table(_noisy()), METHODS["dawid-skene"], "dawid-skene", {})
    assert set(told["strategies"]) == {"a0", "a1", "a2", "a3"}
    assert set(told["strategies"]["a0"]) == set(STRATEGY_LABELS)
    assert set(told["strategies"]["a0"]["Analogy"]) == {"sensitivity", "specificity"}


# MACE


@pytest.mark.parametrize("seed", range(3))
def test_mace_beats_the_majority_where_most_of_five_guess(seed):
    truth, items, raters, named = _rated(seed, [0.05, 0.1, 0.5, 0.5, 0.5], n=300)
    table = _stances(items, raters, named)
    right = {m: ((_scores(table, m) > 0.5) == truth).mean() for m in ("mace", "majority")}
    assert right["mace"] > right["majority"] + 0.03


def test_mace_does_not_depend_on_which_label_comes_first():
    _, items, raters, named = _rated(0, [0.05, 0.2, 0.4], n=150)
    if named[0]:
        named = ~named
    one = _scores(_stances(items, raters, named), "mace")
    other = _scores(_stances(items, raters, ~named), "mace")
    assert one == pytest.approx(1 - other, abs=1e-9)


def test_restarts_of_mace_differ(monkeypatch):
    _, items, raters, named = _rated(0, [0.1, 0.3, 0.4], n=60)
    table = _stances(items, raters, named)
    monkeypatch.setattr(methods, "ROUNDS", 1)
    one = _scores(table, "mace")
    monkeypatch.setattr(methods, "RESTARTS", 8)
    assert np.abs(_scores(table, "mace") - one).max() > 1e-6


def test_mace_without_crowd_kit_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "crowdkit.aggregation", None)
    with pytest.raises(MissingExtraError, match=r"crowd-kit is not installed.*labels"):
        _one([Q], "mace")


# Folders


@pytest.mark.parametrize("method", ["dawid-skene", "weighted", "union"])
def test_folder_records_what_was_learnt_of_the_annotators(built_sample, tmp_path, method):
    shutil.copytree(built_sample, tmp_path / "b")
    assert run(tmp_path / "b", method, [sample.VOTES]) == 105
    record = json.loads((tmp_path / "b" / ".run" / folder.LABELS_RECORD).read_text())
    assert record["method"] == method
    learnt = {"dawid-skene": {"strategies", "stance"}, "weighted": {"strategies", "stance"}}
    assert set(record["annotators"]) == learnt.get(method, set())


@pytest.mark.parametrize("method", ["dawid-skene", "weighted", "mace"])
def test_methods_are_nearly_the_gold_on_the_sample(method):
    found, _ = labelled(votes.read([sample.VOTES]), METHODS[method], method, {})
    masks = dict(found.select("utterance_id", "strategy_mask").iter_rows())
    gold = {r["id"]: Strategy.from_labels(r["strategies"]).value for r in sample.gold()}
    wrong = sum((masks[name] ^ mask).bit_count() for name, mask in gold.items())
    # five raters with 5 % errors leave 0.12 % of 2,155 decisions to a majority, 2.5
    assert wrong <= 12
