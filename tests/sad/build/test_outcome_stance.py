import re
import zipfile

import polars as pl
import pytest
from helpers import post, reply, rows, thread_rows, write_lines

from sad import sample
from sad.build import folder
from sad.build.outcome import CONFIRMED, awards, outcomes
from sad.build.readers import Reading
from sad.build.stance import CONFIDENCE, by_structure
from sad.build.threads import join


def _nodes(tmp_path, posts, replies):
    dumps = [write_lines(tmp_path / "RS", posts)], [write_lines(tmp_path / "RC", replies)]
    return join(thread_rows(*dumps)).nodes


def _none_known():
    return pl.DataFrame(schema={"node_id": pl.String, "delta": pl.Boolean, "by": pl.String})


def _outcomes(nodes, known=None):
    return outcomes(nodes, awards(nodes), _none_known() if known is None else known)


def _stances(nodes):
    award = awards(nodes)["award"].to_list()
    nodes = nodes.with_columns(awards=pl.Series([i in award for i in range(nodes.height)]))
    return by_structure(nodes)


CONFIRM = "Confirmed: 1 delta awarded to /u/user_w ([3∆](/r/x))."


def _award(by, body=CONFIRM, bot="DeltaBot"):
    return [
        reply("w", "p"),
        reply("a", "w", author=by),
        reply("b", "a", author=bot, body=body),
        reply("z", "p"),
    ]


@pytest.mark.parametrize(
    ("by", "body", "bot", "expected"),
    [
        ("op", CONFIRM, "DeltaBot", [("t1_w", True, "op")]),
        ("reader", CONFIRM, "DeltaBot", [("t1_w", True, "other")]),
        ("op", "Confirmed: 2 deltas awarded to user_w, user_v", "DeltaBot", [("t1_w", True, "op")]),
        ("op", "Confirmation: delta awarded to /u/user_w", "deltabot", [("t1_w", True, "op")]),
        ("op", "This delta has been rejected. The length of your comment ...", "DeltaBot", []),
        ("op", CONFIRM, "somebody", []),
        ("[deleted]", CONFIRM, "DeltaBot", [("t1_w", True, None)]),
    ],
)
def test_delta_goes_to_the_comment_that_the_award_answers(tmp_path, by, body, bot, expected):
    found = _outcomes(_nodes(tmp_path, [post()], _award(by, body, bot)))
    assert rows(found, "node_id", "delta", "by") == expected


def test_an_award_to_the_post_is_none(tmp_path):
    nodes = _nodes(
        tmp_path, [post()], [reply("a", "p"), reply("b", "a", author="DeltaBot", body=CONFIRM)]
    )
    assert _outcomes(nodes).is_empty()


def test_is_submitter_tells_for_deleted_authors(tmp_path):
    award = _award("[deleted]")
    award[1]["is_submitter"] = True
    found = _outcomes(_nodes(tmp_path, [post(author="[deleted]")], award))
    assert rows(found, "node_id", "by") == [("t1_w", "op")]


def test_imported_outcomes_are_added(tmp_path):
    known = pl.DataFrame({"node_id": ["t1_w", "t1_z"], "delta": [False, False], "by": [None, None]})
    found = _outcomes(_nodes(tmp_path, [post()], _award("op")), known)
    assert sorted(rows(found, "node_id", "delta")) == [("t1_w", True), ("t1_z", False)]


def test_every_generation_of_confirmations_in_real_data(real_data):
    cells = []
    for book in sorted((real_data / "cmv-priniski").rglob("*.xlsx")):
        with zipfile.ZipFile(book) as archive:
            strings = [archive.read(n).decode() for n in archive.namelist() if "sharedStrings" in n]
        cells += re.findall(r"<t[^>]*>(.*?)</t>", " ".join(strings), re.DOTALL)
    confirmations = [cell for cell in cells if cell.lstrip().startswith("Confirm")]
    assert len(confirmations) > 1000
    assert not [cell for cell in confirmations if not re.search(CONFIRMED, cell)]
    rejections = [cell for cell in cells if cell.startswith("This delta has been rejected")]
    assert rejections
    assert not [cell for cell in rejections if re.search(CONFIRMED, cell)]


def test_stance_by_reply_structure(tmp_path):
    nodes = _nodes(
        tmp_path,
        [post()],
        [
            reply("a", "p", author="x"),  # answers the post: opposes
            reply("b", "a", author="op"),  # the post's author: supports
            reply("c", "a", author="y"),  # answers an opposer: supports
            reply("d", "c", author="x"),  # answers a supporter: opposes
            reply("e", "d", author="x"),  # goes on: opposes
            reply("f", "b", author="z"),  # answers the post's author: opposes
            reply("g", "f", author="op", body=LONG_AWARD),  # gives in
            reply("h", "g", author="DeltaBot", body="Confirmed: 1 delta awarded to /u/z"),
            reply("i", "f", author="op"),  # argues on beside the award: supports
            reply("j", "g", author="z"),  # answers the author after the concession: opposes
        ],
    )
    found = _stances(nodes)
    sides = dict(zip(nodes["node_id"], found["stance"], strict=True))
    expected = {"t3_p": 1, "a": 0, "b": 1, "c": 1, "d": 0, "e": 0, "f": 0, "g": 0, "i": 1, "j": 0}
    assert {k.removeprefix("t1_"): v for k, v in sides.items() if k != "t1_h"} == expected


LONG_AWARD = "You have changed my view on this, and here is why it did so today !delta"


def test_deleted_authors_are_not_one_person(tmp_path):
    nodes = _nodes(
        tmp_path, [post(author="[deleted]")], [reply("a", "p", author="[deleted]"), reply("b", "a")]
    )
    assert _stances(nodes)["stance"].to_list() == [1, 0, 1]


@pytest.mark.parametrize(
    ("body", "conceded"),
    [
        ("You have changed my view, thanks to the numbers.", True),
        ("You've completely changed my mind.", True),
        ("My view has been changed on the first point.", True),
        ("I stand corrected about the dates.", True),
        ("I concede that the law is older.", True),
        ("> You have changed my view\n\nDid I?", False),
        ("&gt; I stand corrected\n\nReally?", False),
        ("You haven't changed my view.", False),
        ("Nobody could say you would have changed my view.", False),
        ("What would it take? If you changed my view I would say so.", False),
        ("Change my view, please.", False),
        ("I concede nothing.", False),
    ],
)
def test_concession_in_words(tmp_path, body, conceded):
    nodes = _nodes(tmp_path, [post()], [reply("a", "p"), reply("b", "a", author="op", body=body)])
    found = _stances(nodes)
    assert found["stance"].to_list() == [1, 0, 0 if conceded else 1]
    assert found["rule"][2] == ("concession" if conceded else "op")


def test_a_reader_who_awards_a_delta_joins_the_side_of_the_winner(tmp_path):
    nodes = _nodes(tmp_path, [post()], _award("reader"))
    sides = dict(zip(nodes["node_id"], _stances(nodes)["stance"], strict=True))
    assert (sides["t1_w"], sides["t1_a"]) == (0, 0)


def test_confidences_are_those_measured_on_the_gold():
    dumps = sample.DUMPS.submissions, sample.DUMPS.comments
    nodes = join(thread_rows(*dumps, Reading("changemyview"))).nodes
    gold = {record["id"]: record["stance"] for record in sample.gold()}
    found = _stances(nodes).with_columns(gold=nodes["node_id"].replace_strict(gold, default=None))
    found = found.drop_nulls("gold")
    right = found.group_by("rule").agg(right=(pl.col("stance") == pl.col("gold")).sum(), n=pl.len())
    assert right["n"].sum() == 431
    for rule, k, n in right.iter_rows():
        assert CONFIDENCE[rule] == pytest.approx((k + 1) / (n + 2), abs=0.006), rule


def test_structure_agrees_with_the_gold_of_the_sample(built_sample):
    gold = {record["id"]: record["stance"] for record in sample.gold()}
    found = folder.read(built_sample, "utterances")
    right = [gold[i] == s for i, s in rows(found, "utterance_id", "stance")]
    # Whoever joins a side without answering the other cannot be read off the structure.
    assert 0.8 < sum(right) / len(right) < 1
