import json
import math
from types import SimpleNamespace

import pytest

from annotate.labeller import Item, Label
from annotate.labellers import weak
from sad.errors import DataError, SettingsError
from sad.types import NO_STRATEGY, Span, Strategy

Q, S = Strategy.QUESTION, Strategy.STATEMENT
RATES = {"one": (0.9, 0.8), "two": (0.6, 0.95)}  # sensitivity, specificity
PRIOR = 0.2


def _says(*answers, kind="strategies", model=None, prompt=None):
    return SimpleNamespace(
        kind=kind, model=model, prompt_digest=prompt, label=lambda items: iter(answers)
    )


@pytest.fixture
def build(tmp_path, monkeypatch):
    rates = {
        "prior": {s.label: PRIOR for s in Strategy},
        "labellers": {name: {s.label: pair for s in Strategy} for name, pair in RATES.items()},
    }
    (tmp_path / "rates.json").write_text(json.dumps(rates))

    def make(*others, names=("one", "two"), rates="rates.json"):
        by = dict(zip(names, others, strict=False))
        monkeypatch.setattr(weak, "load", lambda name: by[name])
        settings = {"labellers": list(names), "rates": str(tmp_path / rates)}
        return weak.build(weak.Settings.parse(settings))

    return make


def _label(found, *spans):
    return Label(found, (0.0,) * 5, spans)


def test_chances_are_those_of_bayes_rule(build):
    (label,) = build(_says(_label(Q)), _says(_label(S))).label([Item("1", "x")])
    # Question: the first named it, the second did not.
    yes = PRIOR * 0.9 * (1 - 0.6)
    no = (1 - PRIOR) * (1 - 0.8) * 0.95
    assert label.scores[0] == pytest.approx(yes / (yes + no), abs=1e-4)
    # Statement: the second alone named it.
    yes, no = PRIOR * (1 - 0.9) * 0.6, (1 - PRIOR) * 0.8 * (1 - 0.95)
    assert label.scores[4] == pytest.approx(yes / (yes + no), abs=1e-4)


def test_evidence_is_that_of_those_who_named_the_label(build):
    mine, other = Span(Q, 0, 1), Span(S, 0, 1)
    both = _says(_label(Q, mine)), _says(_label(Q | S, mine, other))
    (label,) = build(*both).label([Item("1", "x")])
    assert (label.strategies, label.spans) == (Q, (mine,))


def test_who_has_no_answer_says_nothing(build):
    (label,) = build(_says(_label(Q)), _says(None)).label([Item("1", "x")])
    odds = PRIOR / (1 - PRIOR) * 0.9 / (1 - 0.8)
    assert label.scores[0] == pytest.approx(odds / (1 + odds), abs=1e-4)
    assert list(build(_says(None), _says(None)).label([Item("1", "x")])) == [None]


def test_blank_text_has_no_label(build):
    (label,) = build(_says(_label(NO_STRATEGY)), _says(_label(NO_STRATEGY))).label([Item("1", " ")])
    assert label == Label(NO_STRATEGY, (0.0,) * 5, ())


def test_a_text_always_has_a_strategy(build):
    (label,) = build(_says(_label(NO_STRATEGY)), _says(None)).label([Item("1", "x")])
    assert label.strategies


@pytest.mark.parametrize(
    ("content", "error", "told"),
    [
        ({"prior": {}, "labellers": {}}, SettingsError, "no rates of one"),
        ([], DataError, "rates between 0 and 1"),
        (
            {"prior": {s.label: 1.0 for s in Strategy}, "labellers": {"one": {}, "two": {}}},
            DataError,
            "0 and 1",
        ),
    ],
)
def test_damaged_rates_are_told(build, tmp_path, content, error, told):
    (tmp_path / "other.json").write_text(json.dumps(content))
    with pytest.raises(error, match=told):
        build(_says(), _says(), rates="other.json")


def test_labellers_of_stances_and_doubles_are_refused(build):
    with pytest.raises(SettingsError, match="two gives no strategies"):
        build(_says(), _says(kind="stance"))
    with pytest.raises(SettingsError, match="once"):
        build(_says(), _says(), names=("one", "one"))


def test_model_is_of_the_rates_and_of_those_who_vote(build, tmp_path):
    other = json.loads((tmp_path / "rates.json").read_text())
    other["prior"][Q.label] = 0.3
    (tmp_path / "other.json").write_text(json.dumps(other))
    two = _says(model="b")
    models = [
        build(_says(model="a"), two).model,
        build(_says(model="a2"), two).model,
        build(_says(model="a", prompt="p"), two).model,
        build(_says(model="b"), _says(model="a")).model,
        build(_says(model="a"), two, rates="other.json").model,
    ]
    assert len(set(models)) == len(models)
    assert build(_says(model="a"), two).model == models[0]


def test_log_odds_by_hand():
    assert weak._weights(0.9, 0.8) == pytest.approx((math.log(0.9 / 0.2), math.log(0.1 / 0.8)))
