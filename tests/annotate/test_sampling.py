import numpy as np
import polars as pl
import pytest

from annotate import votes
from annotate.sampling import PLAN, STRATEGIES, choose
from sad.errors import DataError, SettingsError
from sad.types import Strategy

LETTERS = {strategy.letter: strategy for strategy in Strategy}
PEOPLE = ["ann", "bob", "cy"]


def _vote(utterance, letters, annotator="cues", source="heuristic", confidence=None):
    value = [LETTERS[letter].label for letter in letters]
    return {"utterance_id": utterance, "annotator": annotator, "kind": "strategies",
            "value": value, "source": source, "confidence": confidence}  # fmt: skip


def _votes(*rows):
    return pl.DataFrame(list(rows), schema=votes.VOTES)


def _utterances(n, **columns):
    return pl.DataFrame({"utterance_id": [f"u{i:04}" for i in range(n)], **columns})


def _ids(n):
    return _utterances(n)["utterance_id"].to_list()


def _everything(n=300):
    """Utterances and votes that every strategy can work with; all numbers tie often."""
    rng = np.random.default_rng(0)
    cast = []
    for name in _ids(n):
        for labeller in ("cues", "encoder"):
            letters = rng.choice(["S", "Q", "QS", "CE", "A"], p=[0.5, 0.2, 0.15, 0.1, 0.05])
            confidence = float(rng.choice([0.5, 0.6, 0.9]))
            cast.append(_vote(name, letters, labeller, "model", confidence))
    cast += [_vote(name, "Q", "old", "crowd") for name in _ids(20)]
    return _utterances(n), _votes(*cast)


def _masks(plan, cast):
    """Predicted letters -> how many utterances of them the plan holds."""
    said = {row["utterance_id"]: "".join(v[0] for v in row["value"]) for row in cast.to_dicts()}
    return pl.Series([said[name] for name in plan["utterance_id"].unique()]).value_counts()


@pytest.mark.parametrize("by", STRATEGIES)
def test_order_of_the_rows_and_names_changes_nothing(by):
    utterances, cast = _everything()
    settings = {"by": by, "gold": 0.2, "checks": _ids(20), "seed": 5}
    plan = choose(utterances, cast, 50, annotators=PEOPLE, **settings)
    for seed in range(3):
        mixed = (frame.sample(fraction=1, shuffle=True, seed=seed) for frame in (utterances, cast))
        assert choose(*mixed, 50, annotators=PEOPLE[::-1], **settings).equals(plan)


@pytest.mark.parametrize("by", STRATEGIES)
def test_seed_decides_what_ties(by):
    utterances, cast = _everything()
    one, same, other = (
        choose(utterances, cast, 30, by=by, annotators=PEOPLE, seed=seed) for seed in (1, 1, 2)
    )
    assert one.equals(same)
    assert set(one["utterance_id"]) != set(other["utterance_id"])


@pytest.mark.parametrize("by", STRATEGIES)
def test_plan_has_its_columns_and_every_utterance_once_per_annotator(by):
    utterances, cast = _everything()
    plan = choose(utterances, cast, 50, by=by, annotators=PEOPLE, overlap=0.3)
    assert plan.schema == pl.Schema(PLAN)
    assert plan["utterance_id"].n_unique() == 50
    assert not plan.select("utterance_id", "annotator").is_duplicated().any()
    for _, own in plan.group_by("annotator"):
        assert own["order"].to_list() == list(range(len(own)))


@pytest.mark.parametrize("by", STRATEGIES)
def test_what_people_labelled_is_left_out_unless_asked(by):
    utterances, cast = _everything(40)  # people labelled 20
    plan = choose(utterances, cast, 40, by=by, annotators=PEOPLE)
    assert set(plan["utterance_id"]) == set(_ids(40)) - set(_ids(20))
    again = choose(utterances, cast, 40, by=by, annotators=PEOPLE, again=True)
    assert set(again["utterance_id"]) == set(_ids(40))


@pytest.mark.parametrize(("source", "free"), [("gold", False), ("crowd", False), ("llm", True)])
def test_people_are_gold_and_crowd(source, free):
    cast = _votes(_vote("u0000", "S", "x", source))
    plan = choose(_utterances(2), cast, 2, by="random", annotators=["ann"])
    assert ("u0000" in plan["utterance_id"].to_list()) == free


# Strategies


def test_masks_are_chosen_evenly_and_the_rare_first():
    letters = ["S"] * 80 + ["Q"] * 10 + ["QS"] * 7 + ["A"] * 2 + ["CE"]
    cast = _votes(*(_vote(u, x) for u, x in zip(_ids(100), letters, strict=True)))
    plan = choose(_utterances(100), cast, 14, by="mask", annotators=["ann"])
    # one of each of five; then CE and A have 0 and 1 left, the other nine are shared by three
    assert dict(_masks(plan, cast).iter_rows()) == {"CE": 1, "A": 2, "QS": 4, "Q": 4, "S": 3}
    assert plan["reason"].to_list()[:6] == [
        "mask CE, 1 of 1", "mask A, 1 of 2", "mask QS, 1 of 7", "mask Q, 1 of 10",
        "mask S, 1 of 80", "mask A, 1 of 2",
    ]  # fmt: skip


def test_given_masks_go_before_votes():
    utterances = _utterances(3, strategy_mask=[1, None, None])
    cast = _votes(_vote("u0000", "S"), _vote("u0001", "S"))
    plan = choose(utterances, cast, 3, by="mask", annotators=["ann"])
    assert dict(plan.select("utterance_id", "reason").iter_rows()) == {
        "u0000": "mask Q, 1 of 1",
        "u0001": "mask S, 1 of 1",
    }  # nothing is predicted of the third


def test_predicted_masks_are_the_majority_of_machines():
    cast = _votes(
        _vote("u0000", "Q", "a", "llm"), _vote("u0000", "QS", "b", "model"),
        _vote("u0000", "C", "c"), _vote("u0000", "A", "d", "simulated"),
    )  # fmt: skip
    plan = choose(_utterances(1), cast, 1, by="mask", annotators=["ann"])
    assert plan["reason"].to_list() == ["mask Q, 1 of 1"]


def test_highest_entropy_of_votes_comes_first():
    cast = _votes(
        _vote("u0000", "S", "a"), _vote("u0000", "S", "b"),
        _vote("u0001", "S", "a"), _vote("u0001", "Q", "b"),
        _vote("u0002", "S", "a"), _vote("u0002", "QS", "b"),
        _vote("u0003", "CE", "a"),
    )  # fmt: skip
    plan = choose(_utterances(4), cast, 4, by="disagreement", annotators=["ann"])
    # two labels at one half each: 2 bits; one: 1 bit; none: 0; a single vote: unknown
    assert list(plan.select("utterance_id", "reason").iter_rows()) == [
        ("u0001", "disagreement 2.0 bits"),
        ("u0002", "disagreement 1.0 bits"),
        ("u0000", "disagreement 0.0 bits"),
    ]


def test_stances_count_for_disagreement():
    sides = [_vote("u0000", "S", "a"), _vote("u0000", "S", "b"),
             _vote("u0001", "S", "a"), _vote("u0001", "S", "b")]  # fmt: skip
    sides += [
        _vote("u0001", "", name) | {"kind": "stance", "value": [side]}
        for name, side in (("a", "support"), ("b", "oppose"), ("c", "unclear"))
    ]
    plan = choose(_utterances(2), _votes(*sides), 1, by="disagreement", annotators=["ann"])
    assert plan["utterance_id"].to_list() == ["u0001"]
    assert plan["reason"].to_list() == ["disagreement 1.0 bits"]


def test_least_confidence_comes_first():
    cast = _votes(
        _vote("u0000", "S", "m", "model", 0.9), _vote("u0000", "S", "n", "model", 0.55),
        _vote("u0001", "S", "m", "model", 0.48),
        _vote("u0002", "S", "m", "model", 0.7),
        _vote("u0003", "S", "m", "model"),
        _vote("u0004", "S", "m", "model", float("nan")),
        _vote("u0005", "S", "x", "simulated", 0.5),
    )  # fmt: skip
    plan = choose(_utterances(6), cast, 6, by="uncertainty", annotators=["ann"])
    assert plan["utterance_id"].to_list() == ["u0001", "u0000", "u0002"]
    assert plan["reason"][0] == "uncertainty: confidence 0.48"


def test_confidence_below_one_half_is_the_least_certain():
    cast = [_vote("u0000", "S", "m", "model", 0.98), _vote("u0001", "S", "m", "model", 0.02),
            _vote("u0002", "S", "m", "model", 0.5), _vote("u0003", "S", "m", "model", 0.52)]  # fmt: skip
    orders = [
        choose(_utterances(4), _votes(*cast), 4, by="uncertainty", annotators=["a"], seed=seed)[
            "utterance_id"
        ].to_list()
        for seed in range(20)
    ]
    assert all(order[2:] == ["u0003", "u0000"] for order in orders)
    assert {order[0] for order in orders} == {"u0001", "u0002"}  # equal: as drawn


def test_labels_that_people_named_least_catch_up():
    so_far = {"S": 9, "Q": 3, "C": 2, "E": 2, "A": 0}
    done = [letter for letter, n in so_far.items() for _ in range(n)]
    left = [letter for letter in so_far for _ in range(10)]
    rows = [_vote(f"d{i}", letter, "old", "crowd") for i, letter in enumerate(done)]
    rows += [_vote(u, letter) for u, letter in zip(_ids(50), left, strict=True)]
    plan = choose(_utterances(50), _votes(*rows), 9, by="rare", annotators=["ann"])
    # A rises to 4, C and E from 2 to 4, and Q from 3 to 4: nine in all
    found = dict(plan["reason"].value_counts().iter_rows())
    assert found == {"rare Analogy": 4, "rare Causality": 2, "rare Example": 2, "rare Question": 1}
    assert plan["reason"].to_list()[:2] == ["rare Analogy"] * 2


def test_utterance_of_many_labels_counts_for_its_rarest():
    rows = [_vote("d0", "S", "old", "gold"), _vote("d1", "Q", "old", "gold"),
            _vote("d2", "CS", "old", "gold"), _vote("u0000", "QS"), _vote("u0001", "S")]  # fmt: skip
    plan = choose(_utterances(2), _votes(*rows), 2, by="rare", annotators=["ann"])
    assert plan["reason"].to_list() == ["rare Question", "rare Statement"]


def test_chance_takes_every_utterance_equally_often():
    counts = np.zeros(20)
    for seed in range(200):
        plan = choose(_utterances(20), _votes(), 5, by="random", annotators=["ann"], seed=seed)
        counts[[int(name[1:]) for name in plan["utterance_id"]]] += 1
    # each is drawn with p = 1/4: mean 50, standard deviation 6.1
    assert counts.sum() == 1000
    assert abs(counts - 50).max() < 4 * 6.1


# Who gets what


@pytest.mark.parametrize(
    ("overlap", "shared", "own"), [(0.0, 0, 20), (0.2, 12, 16), (0.5, 30, 10), (1.0, 60, 0)]
)
def test_overlap_goes_to_all_and_the_rest_is_divided(overlap, shared, own):
    plan = choose(_utterances(99), _votes(), 60, by="random", annotators=PEOPLE, overlap=overlap)
    times = plan.group_by("utterance_id").len()["len"].value_counts()
    expected = {3: shared, 1: 60 - shared}
    assert dict(times.iter_rows()) == {k: v for k, v in expected.items() if v}
    sizes = dict(plan.group_by("annotator").len().iter_rows())
    assert sizes == dict.fromkeys(PEOPLE, shared + own)


def test_rest_is_divided_with_no_regard_to_the_reason():
    # three masks in turn would give each of three annotators one mask alone
    cast = _votes(*(_vote(u, "SQC"[i % 3]) for i, u in enumerate(_ids(300))))
    plan = choose(_utterances(300), cast, 300, by="mask", annotators=PEOPLE, overlap=0)
    counts = plan.group_by("annotator", "reason").len()["len"]
    assert len(counts) == 9
    assert abs(counts - 100 / 3).max() < 4 * (300 * 1 / 9 * 8 / 9) ** 0.5


def test_what_matters_most_comes_early_in_each_list():
    letters = ["A"] * 9 + ["S"] * 291
    cast = _votes(*(_vote(u, x) for u, x in zip(_ids(300), letters, strict=True)))
    plan = choose(_utterances(300), cast, 300, by="mask", annotators=PEOPLE, overlap=0)
    rare = plan.filter(pl.col("reason").str.starts_with("mask A"))
    assert len(rare) == 9
    assert rare["order"].max() < 18


def test_nobody_gets_what_they_voted_on():
    rows = [_vote(u, "S", "ann", "crowd") for u in _ids(30)]
    rows += [_vote(u, "S", "bob", "crowd") for u in _ids(10)]
    rows += [_vote(u, "S", "cy", "crowd") for u in _ids(5)]
    cast = _votes(*rows)
    for overlap in (0, 0.5, 1):
        plan = choose(
            _utterances(60), cast, 60, by="random", annotators=PEOPLE, overlap=overlap, again=True
        )
        assert plan.join(cast, on=["utterance_id", "annotator"]).is_empty()
        # the first five were labelled by all three
        assert set(plan["utterance_id"]) == set(_ids(60)) - set(_ids(5))


def test_fewer_are_chosen_where_there_are_no_more():
    plan = choose(_utterances(5), _votes(), 9, by="random", annotators=["ann"])
    assert len(plan) == 5


def test_blank_utterances_are_left_out():
    utterances = _utterances(3, n_chars=[4, 1, 4], blank=[False, True, False])
    plan = choose(utterances, _votes(), 3, by="random", annotators=["ann"])
    assert set(plan["utterance_id"]) == {"u0000", "u0002"}


# Checks


def test_checks_are_their_share_of_each_list_and_hidden_in_it():
    checks = _ids(100)
    plan = choose(
        _utterances(500), _votes(), 180, by="random", annotators=PEOPLE, overlap=0,
        gold=0.25, checks=checks,
    )  # fmt: skip
    gold = plan.filter("is_gold")
    assert set(gold["utterance_id"]) <= set(checks)
    assert not set(plan.filter(~pl.col("is_gold"))["utterance_id"]) & set(checks)
    assert dict(gold.group_by("annotator").len().iter_rows()) == dict.fromkeys(PEOPLE, 20)
    assert len(plan) == 3 * (60 + 20)
    # anywhere in a list of 80: uniform has mean 39.5, and 60 draws a standard error of 3
    assert gold["order"].mean() == pytest.approx(39.5, abs=12)
    assert gold["order"].min() < 10
    assert gold["order"].max() > 69


def test_annotators_get_different_checks():
    plan = choose(
        _utterances(300), _votes(), 90, by="random", annotators=PEOPLE, overlap=0,
        gold=0.1, checks=_ids(150),
    ).filter("is_gold")  # fmt: skip
    assert len({tuple(sorted(own["utterance_id"])) for _, own in plan.group_by("annotator")}) == 3


def test_nobody_is_checked_on_what_they_voted_on():
    cast = _votes(*(_vote(u, "S", "ann", "gold") for u in _ids(8)))
    plan = choose(
        _utterances(40), cast, 12, by="random", annotators=["ann"], gold=0.25, checks=_ids(12)
    )
    assert set(plan.filter("is_gold")["utterance_id"]) == set(_ids(12)) - set(_ids(8))


def test_without_a_share_there_are_no_checks():
    plan = choose(_utterances(9), _votes(), 9, by="random", annotators=["ann"], checks=_ids(4))
    assert set(plan["utterance_id"]) == set(_ids(9)) - set(_ids(4))
    assert not plan["is_gold"].any()


# Refusals


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"by": "mood"}, "no way to choose by 'mood'; there are: mask, disagreement"),
        ({"n": 0}, "expected 1 or more"),
        ({"annotators": []}, "expected different names"),
        ({"annotators": ["ann", "ann"]}, "expected different names"),
        ({"overlap": 1.5}, "expected a share"),
        ({"overlap": -0.1}, "expected a share"),
        ({"gold": 1.0}, "expected a share"),
        ({"gold": 0.5, "checks": ["u0000"]}, "ann needs 8 checks, there are 1"),
        ({"gold": 0.5}, "ann needs 9 checks, there are 0"),
    ],
)
def test_settings_out_of_their_range_are_refused(changed, message):
    settings = {"n": 9, "by": "random", "annotators": ["ann"]} | changed
    with pytest.raises(SettingsError, match=message):
        choose(_utterances(9), _votes(), **settings)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("mask", "none has a predicted set; label the folder first"),
        ("rare", "none has a predicted set; label the folder first"),
        ("disagreement", "none has two votes"),
        ("uncertainty", "none has a vote with a confidence"),
    ],
)
def test_votes_without_what_is_looked_at_are_refused(by, message):
    with pytest.raises(DataError, match=message):
        choose(_utterances(9), _votes(), 3, by=by, annotators=["ann"])


def test_check_that_is_no_utterance_is_refused():
    with pytest.raises(DataError, match="gone: is on no utterance"):
        choose(
            _utterances(9), _votes(), 3, by="random", annotators=["ann"], gold=0.1, checks=["gone"]
        )


def test_nothing_left_to_label_is_told():
    cast = _votes(_vote("u0000", "S", "old", "crowd"))
    with pytest.raises(DataError, match="none is left"):
        choose(_utterances(1), cast, 3, by="random", annotators=["ann"])
