import pytest

from annotate import gold
from annotate.labeller import Item, Side, load
from annotate.labellers.stance_rules import CALIBRATION, rule
from sad.types import Stance

BEFORE = ("Bells should ring at noon.",)


@pytest.fixture(scope="module")
def labeller():
    return load("stance_rules")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I agree.", "agrees"),
        ("I completely agree, noon is right.", "agrees"),
        ("We also agree with that.", "agrees"),
        ("Agreed!", "agrees"),
        ("  \u201cExactly\u201d what I meant.", "agrees"),
        ("Yes, at noon.", "agrees"),
        ("You're right.", "agrees"),
        ("You\u2019re absolutely right.", "agrees"),
        ("you are quite right, and more", "agrees"),
        ("Fair point.", "agrees"),
        ("Well put.", "agrees"),
        ("This.", "agrees"),
        ("EXACTLY", "agrees"),
        ("I agree to disagree.", "reply"),
        ("I agree, but bells are loud.", "reply"),
        ("Fair point. However, nobody listens.", "reply"),
        ("Yesterday it rang.", "reply"),
        ("This is wrong.", "reply"),
        ("Rightly so?", "reply"),
        ("I disagree.", "reply"),
        ("No.", "reply"),
        ("They agree.", "reply"),
        ("I would say I agree.", "reply"),
        ("", "reply"),
    ],
)
def test_rule_of_a_reply(text, expected):
    assert rule(Item("1", text, "Bells", BEFORE)) == expected


def test_a_but_counts_only_near_the_agreement():
    assert rule(Item("1", "I agree. " + "x" * 150 + " but no", "T", BEFORE)) == "reply"
    assert rule(Item("1", "I agree. " + "x" * 160 + " but no", "T", BEFORE)) == "agrees"


def test_an_agreement_with_nobody_is_a_first_turn():
    assert rule(Item("1", "I agree.", "T")) == "first"


def test_sides(labeller):
    items = [
        Item("1", "Noon it is.", "Bells"),
        Item("2", "I agree.", "Bells", BEFORE),
        Item("3", "Nonsense.", "Bells", BEFORE),
        Item("4", " \n", "Bells", BEFORE),
        Item("5", "Nonsense.", " ", BEFORE),
    ]
    assert list(labeller.label(items)) == [
        Side(Stance.SUPPORT, CALIBRATION["first"]),
        Side(Stance.SUPPORT, CALIBRATION["agrees"]),
        Side(Stance.OPPOSE, CALIBRATION["reply"]),
        Side(None, 0.5),
        Side(None, 0.5),
    ]


def test_calibration_is_what_the_sample_shows():
    """P(support) by rule on the sample's gold, with one added to each count."""
    known = gold.load("sample")
    assert len(known.items) == 431  # as its docstring says
    counts = {name: [1, 2] for name in CALIBRATION}
    for item, stance in zip(known.items, known.stance, strict=True):
        cell = counts[rule(item)]
        cell[0] += int(stance)
        cell[1] += 1
    measured = {name: right / n for name, (right, n) in counts.items()}
    assert measured == pytest.approx(CALIBRATION, abs=0.5e-4)


def test_hostile_text_takes_no_time(labeller):
    for text in ("!" * 500_000, "i " * 250_000, "I agree " + "," * 500_000, "yes " * 200_000):
        assert list(labeller.label([Item("1", text, "T", BEFORE)]))
