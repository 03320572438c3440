import polars as pl
import pytest

from sad.build.rules import N_STOPWORDS, RULES, reason
from sad.build.settings import BuildSettings

NINE, TEN = (
    "one two three four five six seven eight nine",
    "dogs bark at night and people who sleep wake up",
)


def _fired(settings=None, **fields):
    node = {"body": fields.get("text", TEN), "text": TEN, "author": "somebody", "distinguished": None,
            "title": None, "posted_utc": 1_500_000_000, "depth": 1, "taken_down": False} | fields  # fmt: skip
    schema = {"body": pl.String, "text": pl.String, "author": pl.String, "distinguished": pl.String,
              "title": pl.String, "posted_utc": pl.Int64, "depth": pl.Int64,
              "taken_down": pl.Boolean}  # fmt: skip
    frame = pl.DataFrame([node], schema=schema)
    frame = frame.with_columns(
        n_words=pl.col("text").str.count_matches(r"\S+").cast(pl.Int64), n_stopwords=N_STOPWORDS
    )
    return frame.select(reason(settings or BuildSettings())).item()


@pytest.mark.parametrize(
    ("rule", "drops", "keeps"),
    [
        ("deleted", {"body": "[deleted]"}, {"body": "it was [deleted]"}),
        ("removed", {"body": " [removed] "}, {"body": "[removed] by me"}),
        ("removed", {"body": "[ Removed by Reddit ]"}, {"body": "Removed by Reddit"}),
        ("removed", {"body": "[ Removed by Reddit in response to a copyright notice. ]"}, {"body": "[removedly]"}),
        ("removed", {"body": "[removed by moderator]"}, {"body": "[removed] by a moderator [x]"}),
        ("moderator", {"body": "Sorry, u/bob – your comment has been removed for breaking Rule 2"}, {}),
        ("moderator", {"body": "u/bob, your comment has been removed"}, {"body": "I see that your comment has been removed"}),
        ("moderator", {"body": "Your submission has been removed"}, {"body": "Your submission has a point"}),
        ("bot", {"author": "DeltaBot"}, {"author": "DeltaBotFan"}),
        ("bot", {"author": "AutoModerator"}, {"author": None}),
        ("bot", {"body": "Confirmed: 1 delta awarded to /u/somebody (1∆)"},
         {"body": "It was confirmed: 1 delta awarded to /u/somebody"}),
        ("bot", {"body": "Confirmation: delta awarded to somebody"}, {"body": "Confirmation: it rains"}),
        ("bot", {"body": "This delta has been rejected. The length of your comment suggests"},
         {"body": "My delta has been rejected. The length was fine"}),
        ("moderator", {"distinguished": "moderator"}, {"distinguished": ""}),
        ("moderator", {"body": "Sorry bob, your comment has been removed: rule 2"},
         {"body": "Sorry that your comment has been removed, bob"}),
        ("moderator", {"body": "Sorry u/bob, your submission has been automatically removed"}, {}),
        ("meta", {"title": "[Meta] rules"}, {"title": "Metaphysics is useless"}),
        ("meta", {"title": "CMV: (meta) rules"}, {"title": "Meta should not buy others, CMV"}),
        ("meta", {"title": "META: rules"}, {"title": "CMV: Mod culture ruins games"}),
        ("meta", {"title": "Mod Post: news"}, {"title": "Modern art is fine"}),
        ("meta", {"title": "Fresh Topic Friday thread"}, {"title": "Fridays should be free"}),
        ("empty", {"text": ""}, {"text": TEN}),
        ("short", {"text": NINE}, {"text": TEN}),
        ("stopwords", {"text": "it is what it is and that is all there"},
         {"text": "it is what it is and that is water there"}),
        ("repetitive", {"text": "spam eggs " * 6}, {"text": "spam eggs " * 5}),
        ("symbols", {"text": "aaa bbb cc dd ! ! ! ! ! ! !"}, {"text": "aaa bbb cc dd ! ! ! ! ! !"}),
        ("language", {"text": "Die Steuern sind zu hoch, und das Geld fehlt am Ende des Monats überall"},
         {"text": "My German neighbour says Die Steuern sind zu hoch, and I think that he is right"}),
        ("language", {"text": "Je ne suis pas du tout d'accord avec vous sur ce point, la loi est claire"},
         {"text": "Guns kill people every single day across rural America, period, full stop, amen"}),
    ],
)  # fmt: skip
def test_rule_on_both_sides_of_its_border(rule, drops, keeps):
    assert _fired(**drops) == rule
    assert _fired(**keeps) is None


def test_every_rule_is_tested_here():
    marks = test_rule_on_both_sides_of_its_border.pytestmark[0].args[1]
    assert {case[0] for case in marks} == set(RULES)


@pytest.mark.parametrize(
    ("posted", "dropped"),
    [
        (1456790399, "window"),  # 2016-02-29 23:59:59
        (1456790400, None),  # 2016-03-01 00:00:00
        (1601510399, None),  # 2020-09-30 23:59:59
        (1601510400, "window"),  # 2020-10-01 00:00:00
        (None, None),
    ],
)
def test_window_borders(posted, dropped):
    assert _fired(posted_utc=posted) == dropped
    assert _fired(BuildSettings(window=None), posted_utc=posted) is None


def test_the_first_rule_is_the_reason():
    assert _fired(body="[deleted]", text="[deleted]", author="DeltaBot") == "deleted"


def test_no_rules_drop_nothing():
    settings = BuildSettings(drop=[], window=None)
    assert _fired(settings, text="", body="[deleted]", author="DeltaBot") is None


def test_language_may_be_any():
    text = "Die Steuern sind zu hoch, und das Geld fehlt am Ende des Monats überall"
    assert _fired(BuildSettings(language=None), text=text) is None
    assert _fired(BuildSettings(language="de"), text=text) is None
    assert _fired(BuildSettings(language="de")) == "language"


@pytest.mark.parametrize(("depth", "rule"), [(2, None), (3, "deep")])
def test_turns_beyond_the_most_fall(depth, rule):
    assert _fired(BuildSettings(max_turns=3), depth=depth) == rule
    # without the post, the first turn is at depth 1
    assert _fired(BuildSettings(max_turns=3, include_post=False), depth=depth + 1) == rule


def test_a_takedown_is_the_first_reason_even_without_rules():
    assert _fired(BuildSettings(drop=[], window=None), taken_down=True) == "taken_down"


@pytest.mark.parametrize("body", ["[deleted]", "[removed]", NINE])
def test_the_text_of_a_post_that_is_no_turn_is_not_judged(body):
    without = BuildSettings(include_post=False)
    assert _fired(without, body=body, text=body, depth=0) is None
    assert _fired(without, body=body, text=body, depth=1) is not None
    assert _fired(without, title="[Meta] rules", depth=0) == "meta"
