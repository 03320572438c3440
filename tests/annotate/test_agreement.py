import json

import numpy as np
import polars as pl
import pytest
from statsmodels.stats.inter_rater import fleiss_kappa

from annotate import votes
from annotate.agreement import report
from annotate.agreement_views import COLUMNS, PAIR_COLUMNS, pair_table, plot, table, to_json
from sad import sample
from sad.errors import DataError, LabelError
from sad.types import STRATEGY_LABELS

Q, S, QS = ["Question"], ["Statement"], ["Question", "Statement"]
LETTERS = {label[0]: label for label in STRATEGY_LABELS}


def _votes(rows, kind="strategies"):
    """Votes out of (utterance, annotator, value)."""
    cast = [
        {"utterance_id": u, "annotator": a, "kind": kind, "value": v, "source": "crowd"}
        for u, a, v in rows
    ]
    return pl.DataFrame(cast, schema=votes.VOTES)


def _stances(rows):
    return _votes([(u, a, [v]) for u, a, v in rows], kind="stance")


def _sets(lines):
    """Votes out of lines such as "SE S ." per utterance: letters per annotator, . is no vote."""
    return _votes(
        (f"u{i}", f"a{r}", [label for letter, label in LETTERS.items() if letter in letters])
        for i, line in enumerate(lines)
        for r, letters in enumerate(line.split())
        if letters != "."
    )


def _value(found, subject, metric):
    return next(s.interval for s in found.scores if (s.subject, s.metric) == (subject, metric))


def _flipped(error, n=4000, raters=5, seed=0):
    """Balanced stances, each told wrongly with probability ``error``."""
    rng = np.random.default_rng(seed)
    said = (np.arange(n)[:, None] % 2).astype(bool) ^ (rng.random((n, raters)) < error)
    return _stances(
        (f"u{i:05}", f"a{r}", ("oppose", "support")[value])
        for i, row in enumerate(said.tolist())
        for r, value in enumerate(row)
    )


@pytest.mark.parametrize("raters", [2, 5])
@pytest.mark.parametrize("error", [0.0584, 0.08, 0.10])
def test_independent_flips_give_the_kappa_of_theory(error, raters):
    found = _value(report(_flipped(error, raters=raters), resamples=200), "stance", "kappa")
    expected = (1 - 2 * error) ** 2  # oracle 1 of the specification, 11.4
    assert found.value == pytest.approx(expected, abs=0.02)
    assert found.low - 0.01 < expected < found.high + 0.01
    assert (found.n, found.n_trees) == (4000, 4000)


ORACLE = ["S S S", "SE S SE", "Q Q QS", "C CS S", "A E A", "QC QC C"]


@pytest.mark.parametrize(
    ("subject", "metric", "expected"),
    [
        ("sets", "alpha_masi", 0.436340), ("sets", "alpha_jaccard", 0.495763),
        ("Question", "kappa", 0.7231), ("Causality", "kappa", 0.7231),
        ("Example", "kappa", 0.2000), ("Analogy", "kappa", 0.4375), ("Statement", "kappa", 0.5556),
    ],
)  # fmt: skip
def test_oracle_of_sets(subject, metric, expected):
    found = _value(report(_sets(ORACLE), resamples=100), subject, metric)
    assert found.value == pytest.approx(expected, abs=5e-5)
    assert found.low <= found.value <= found.high


def test_sample_equals_statsmodels_per_label():
    cast = votes.read([sample.VOTES])
    found = report(cast, resamples=50)
    for label in STRATEGY_LABELS:
        named = cast.filter(kind="strategies").group_by("utterance_id").agg(
            n=pl.col("value").list.contains(label).sum())["n"].to_numpy()  # fmt: skip
        expected = fleiss_kappa(np.stack([named, 5 - named], axis=1))
        assert _value(found, label, "kappa").value == pytest.approx(expected, abs=1e-9)
    assert {score.n_annotators for score in found.scores} == {5}


def test_entropy_and_raw_agreement_by_hand():
    found = report(_sets(["Q Q S", "Q Q Q"]), resamples=50)
    bits = -(2 / 3 * np.log2(2 / 3) + 1 / 3 * np.log2(1 / 3))
    for subject in ("Question", "Statement", "sets"):
        assert _value(found, subject, "entropy").value == pytest.approx(bits / 2)
        assert _value(found, subject, "raw").value == pytest.approx((1 / 3 + 1) / 2)
    assert _value(found, "Analogy", "entropy").value == 0
    assert _value(found, "Analogy", "kappa").value == 1  # nobody ever named it


def test_unclear_is_a_missing_vote():
    told = [("u", "a", "support"), ("u", "b", "oppose"), ("v", "a", "oppose"), ("v", "b", "oppose"),
            ("w", "a", "support"), ("w", "b", "support"), ("x", "a", "support")]  # fmt: skip
    unclear = [("u", "c", "unclear"), ("x", "b", "unclear"), ("y", "a", "unclear")]
    assert report(_stances(told + unclear)) == report(_stances(told))


def test_order_of_the_votes_changes_nothing():
    cast = pl.concat([_sets(["QS Q .", "S S C", "A . A", "C E E"]), _flipped(0.1, n=20)])
    found = report(cast, resamples=100)
    for seed in range(3):
        assert report(cast.sample(fraction=1, shuffle=True, seed=seed), resamples=100) == found


def test_items_with_one_vote_count_nowhere():
    some = _sets(["QS Q S", "S S ."])
    more = pl.concat([some, _votes([("z", "a0", Q), ("y", "late", S)])])
    assert report(more, resamples=50) == report(some, resamples=50)


def test_unanimous_votes_agree_fully_with_no_doubt():
    found = report(_sets(["Q Q", "S S", "CE CE"]), resamples=100)
    for score in found.scores:
        i, full = score.interval, 0.0 if score.metric == "entropy" else 1.0
        assert (i.value, i.low, i.high) == (full, full, full)
    assert {(pair.raw, pair.kappa) for pair in found.pairs} == {(1.0, 1.0)}


def test_one_annotator_has_no_agreement(tmp_path):
    found = report(_votes([("u", "a", Q), ("v", "a", S)]))
    assert found.scores
    assert {score.interval for score in found.scores} == {None}
    assert found.pairs == ()
    assert {row[2] for row in table(found)} == {"not available"}
    assert {score["value"] for score in to_json(found)["scores"]} == {None}
    with pytest.raises(DataError, match="two votes"):
        plot(found, tmp_path / "a.svg")


def test_stances_that_are_all_unclear_have_no_agreement():
    found = report(_stances([("u", "a", "unclear"), ("u", "b", "unclear")]))
    assert {(score.subject, score.interval) for score in found.scores} == {("stance", None)}


def test_voting_twice_on_an_utterance_is_refused():
    with pytest.raises(LabelError, match="a voted twice on u"):
        report(_votes([("u", "a", Q), ("v", "a", Q), ("u", "a", S)]))


def test_no_votes_are_refused():
    with pytest.raises(DataError, match="none to compare"):
        report(pl.DataFrame(schema=votes.VOTES))


def test_pairs_of_annotators_by_hand():
    found = report(_sets(["Q Q .", "Q S S", "S S S", "S Q ."]), resamples=50)
    pairs = {(p.first, p.second): p for p in found.pairs if p.subject == "Question"}
    assert set(pairs) == {("a0", "a1"), ("a0", "a2"), ("a1", "a2")}
    # a0 says QQSS, a1 says QSSQ: raw 1/2, chance 1/2
    assert (pairs["a0", "a1"].n, pairs["a0", "a1"].raw, pairs["a0", "a1"].kappa) == (4, 0.5, 0)
    # a0 says QS, a2 says SS: raw 1/2, chance 1/2
    assert (pairs["a0", "a2"].n, pairs["a0", "a2"].raw, pairs["a0", "a2"].kappa) == (2, 0.5, 0)
    assert (pairs["a1", "a2"].n, pairs["a1", "a2"].raw, pairs["a1", "a2"].kappa) == (2, 1, 1)


def test_annotators_who_never_met_are_no_pair():
    found = report(_sets(["Q Q . .", ". . S S"]), resamples=50)
    assert {(p.first, p.second) for p in found.pairs} == {("a0", "a1"), ("a2", "a3")}


def test_pairs_of_two_annotators_agree_as_often_as_all():
    # with two annotators the raw agreement of all and of the pair are the same number
    found = report(_flipped(0.2, n=300, raters=2), resamples=50)
    assert found.pairs[0].raw == pytest.approx(_value(found, "stance", "raw").value)


# Trees


def _trees(n, size):
    return {f"u{i:05}": f"t{i // size}" for i in range(n)}


def test_trees_as_frame_and_as_mapping_are_the_same():
    mapping = _trees(40, size=4) | {"other": "t99"}
    frame = pl.DataFrame({"thread_id": list(mapping.values()), "utterance_id": list(mapping)})
    cast = _flipped(0.1, n=40)
    one, other = report(cast, mapping), report(cast, frame.sample(fraction=1, shuffle=True, seed=1))
    assert one == other
    assert (_value(one, "stance", "raw").n, _value(one, "stance", "raw").n_trees) == (40, 10)


def test_repeating_items_within_their_trees_narrows_nothing():
    cast = _flipped(0.1, n=60)
    copies = [cast.with_columns(pl.col("utterance_id") + f"-{k}") for k in range(4)]
    many = pl.concat(copies)
    trees = {name: name[:6] for name in many["utterance_id"].unique()}
    once, often = report(cast), report(many, trees)
    for metric in ("kappa", "raw", "entropy"):
        a, b = _value(once, "stance", metric), _value(often, "stance", metric)
        assert (b.value, b.low, b.high) == pytest.approx((a.value, a.low, a.high), abs=1e-9)
    naive, alone = _value(report(many), "stance", "raw"), _value(once, "stance", "raw")
    assert naive.high - naive.low < 0.7 * (alone.high - alone.low)


def test_one_tree_has_no_interval():
    cast = _flipped(0.1, n=10)
    found = _value(report(cast, _trees(10, size=10)), "stance", "kappa")
    assert (found.low, found.high, found.n_trees) == (None, None, 1)


def test_utterance_of_no_tree_is_refused():
    with pytest.raises(DataError, match="u00003: 1 utterances have no tree"):
        report(_flipped(0.1, n=4), _trees(3, size=1))


def test_seed_and_resamples_decide_the_interval():
    cast = _flipped(0.2, n=50)
    one, again = report(cast, resamples=200, seed=1), report(cast, resamples=200, seed=1)
    assert one == again
    assert report(cast, resamples=200, seed=2) != one
    assert (one.scores[0].interval.resamples, one.scores[0].interval.seed) == (200, 1)


# Views


def test_json_holds_every_score_and_pair():
    found = report(pl.concat([_sets(ORACLE), _stances([("u0", "a0", "support")])]), resamples=50)
    read = json.loads(json.dumps(to_json(found)))
    assert len(read["scores"]) == 5 * 4 + 6 + 4
    masi = next(s for s in read["scores"] if s["metric"] == "alpha_masi")
    assert masi["value"] == pytest.approx(0.436340, abs=5e-7)
    assert (masi["n"], masi["n_trees"], masi["n_annotators"], masi["seed"]) == (6, 6, 3, 13)
    assert len(read["pairs"]) == 6 * 3
    assert read["pairs"][0].keys() == {"subject", "first", "second", "n", "raw", "kappa"}


def test_tables_have_their_columns():
    found = report(_sets(ORACLE), resamples=50)
    rows, pairs = table(found), pair_table(found)
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert {len(row) for row in pairs} == {len(PAIR_COLUMNS)}
    masi = next(row for row in rows if row[1] == "alpha_masi")
    assert masi[2].startswith("0.436 [")
    assert masi[3:] == ("6", "6", "3")
    # the first two name Question in the third set and the last, and nowhere else
    assert pairs[0] == ("Question", "a0", "a1", "6", "1.000", "1.000")


def test_plot_names_subjects_and_measures(tmp_path):
    cast = pl.concat([_sets(ORACLE), _flipped(0.1, n=9)])
    found = report(cast, resamples=50)
    plot(found, tmp_path / "a.svg")
    plot(found, tmp_path / "b.svg")
    text = (tmp_path / "a.svg").read_text()
    for name in (*STRATEGY_LABELS, "stance", "sets", "Fleiss' kappa", "alpha, MASI", "6 to 9 utt"):
        assert name in text
    assert text == (tmp_path / "b.svg").read_text()
