"""What a build does with posts that are no turns, takedowns, caps, odd trees and full disks."""

import os
import tracemalloc

import polars as pl
import pytest
from helpers import LONG, fill_disk, post, read_dump, reply, rows, tree_bytes, write_lines

from sad import sample
from sad.build import folder, labels, takedown
from sad.build.pipeline import build
from sad.build.settings import preset
from sad.build.sources import Dumps
from sad.errors import DataError, SettingsError
from sad.validate import checks

KEY = b"k" * 32
PAPER = preset("paper")


def _dump(tmp_path, posts, replies):
    return Dumps((write_lines(tmp_path / "RS", posts),), (write_lines(tmp_path / "RC", replies),))


def _build(tmp_path, posts, replies, taken_down=frozenset(), rules="paper", **settings):
    out = tmp_path / "out"
    chosen = preset(rules).model_copy(update=settings)
    counts = build(_dump(tmp_path, posts, replies), out, chosen, KEY, taken_down=taken_down)
    assert not [name for name, fault in checks(out) if fault]
    return out, counts


def _dropped(out):
    return dict(rows(pl.read_parquet(out / ".run/dropped"), "node_id", "rule"))


def test_without_the_post_each_top_comment_starts_a_dialogue(tmp_path):
    out, counts = _build(
        tmp_path,
        [post(selftext="[removed]"), post("q", title="[Meta] x")],
        [reply("a", "p"), reply("b", "a", author="op"), reply("c", "p"), reply("d", "q", "q")],
        include_post=False,
        min_turns=1,
    )
    found = folder.read(out, "dialogues")
    assert sorted(found["utterance_ids"].to_list()) == [["t1_a", "t1_b"], ["t1_c"]]
    assert set(found["topic"]) == {"title p"}
    assert _dropped(out) == {"t3_p": "post_left_out", "t3_q": "meta", "t1_d": "pruned"}
    table = folder.read(out, "utterances")
    assert rows(table, "utterance_id", "depth", "is_op", "parent_id") == [
        ("t1_a", 1, False, "t3_p"), ("t1_c", 1, False, "t3_p"), ("t1_b", 2, True, "t1_a"),
    ]  # fmt: skip
    assert counts["nodes"]["dropped"]["post_left_out"] == 1


def test_dropped_utterance_cuts_the_tree_or_drops_its_paths(tmp_path):
    posts = [post()]
    replies = [reply("a", "p"), reply("b", "a", body="short"), reply("c", "b"), reply("d", "a")]
    out, counts = _build(tmp_path, posts, [r for r in replies if r["id"] != "d"])
    assert folder.read(out, "dialogues")["utterance_ids"].to_list() == [["t3_p", "t1_a"]]
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
    out, counts = _build(tmp_path / "x", posts, replies[:3], on_fail="drop_path")
    assert folder.read(out, "dialogues").is_empty()
    assert counts["paths"]["dropped"]["broken_path"] == 1
    out, counts = _build(tmp_path / "y", posts, replies, on_fail="drop_path")
    assert folder.read(out, "dialogues")["utterance_ids"].to_list() == [["t3_p", "t1_a", "t1_d"]]


@pytest.mark.parametrize("rules", ["paper", "none"])
def test_takedown_removes_ids_and_authors_with_what_answers_them(tmp_path, rules):
    path = tmp_path / "list.txt"
    path.write_text("# removed on request\nt1_a\n\nu/USER_d\n")
    out, _ = _build(
        tmp_path,
        [post()],
        [reply("a", "p"), reply("b", "a"), reply("c", "p"), reply("d", "c")],
        takedown.read(path),
        rules,
    )
    assert _dropped(out) == {"t1_a": "taken_down", "t1_b": "pruned", "t1_d": "taken_down"}
    with pytest.raises(SettingsError, match="takedown"):
        build(Dumps((tmp_path / "RS",), (tmp_path / "RC",)), out, preset(rules), KEY)


def test_odd_takedown_line_is_refused(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("t1_a\nhttps://reddit.com/x\n")
    with pytest.raises(DataError, match="line 2"):
        takedown.read(path)


def test_threads_without_a_time_pass_the_window_and_are_counted(tmp_path):
    _, counts = _build(tmp_path, [post(created_utc=None), post("q")], [reply("a", "p")])
    assert counts["nodes"]["threads_without_time"] == 1
    assert counts["splits"]["time_unknown"] == 1


def test_a_comb_of_twenty_thousand_levels_is_capped_in_bounded_memory(tmp_path):
    spine = [reply(f"s{i}", f"s{i - 1}" if i else "p") for i in range(20_000)]
    teeth = [reply(f"t{i}", f"s{i}") for i in range(20_000)]
    tracemalloc.start()
    _, counts = _build(tmp_path, [post()], spine + teeth, rules="none")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    paths = counts["paths"]
    assert paths["seen"] == 20_000  # the last two nodes share the deepest level
    # the tooth of level i ends a path of i + 3 turns: n(n + 5) / 2 turns for the n shortest
    assert paths["dialogues"] == 1411
    assert paths["dropped"]["path_cap"] == 20_000 - 1411
    assert peak < 1_000_000_000


def test_an_imported_stance_comes_before_the_rules(tmp_path):
    from sad.build import frames
    from sad.build.sources import ThreadFolder

    dump = _dump(tmp_path, [post()], [reply("a", "p"), reply("b", "a")])
    tables = {
        "submissions": read_dump(dump.submissions[0], frames.SUBMISSIONS),
        "comments": read_dump(dump.comments[0], frames.COMMENTS),
        "labels": pl.DataFrame(
            {"utterance_id": ["t1_a"], "stance": [1], "strategies": [None]},
            schema={
                "utterance_id": pl.String,
                "stance": pl.UInt8,
                "strategies": pl.List(pl.String),
            },
        ),
    }
    frames.write_threads(tmp_path / "threads", tables)
    build(ThreadFolder(tmp_path / "threads"), tmp_path / "b", PAPER, KEY)
    table = folder.read(tmp_path / "b", "utterances")
    assert rows(table, "utterance_id", "stance", "stance_confidence", "label_source") == [
        ("t3_p", 1, 0.97, "stance:structure"),
        ("t1_a", 1, 1.0, "stance:source"),
        ("t1_b", 1, 0.65, "stance:structure"),
    ]
    one = {"stance": None, "strategies": ["Statement"], "strategy_mask": 16, "spans": [],
           "label_source": "stance:structure; strategies:test"}  # fmt: skip
    voted = [{"utterance_id": name, **one} for name in table["utterance_id"]]
    voted[0] |= {"stance": 0, "label_source": "stance:test; strategies:test"}
    labels.apply(tmp_path / "b", pl.DataFrame(voted, schema=labels.LABELS), {})
    table = folder.read(tmp_path / "b", "utterances")
    assert rows(table, "stance", "stance_confidence", "label_source") == [
        (0, None, "stance:test; strategies:test"),
        (1, 1.0, "stance:source; strategies:test"),
        (1, 0.65, "stance:structure; strategies:test"),
    ]


def test_matched_pairs_are_most_alike_first_and_one_to_one(tmp_path):
    confirm = "Confirmed: 1 delta awarded to /u/x"
    replies = [
        reply("won", "p", body=f"{LONG} alpha beta gamma"),
        reply("aw", "won", author="op", body=f"{LONG} thank you so much !delta"),
        reply("bot", "aw", author="DeltaBot", body=confirm),
        reply("near", "p", body=f"{LONG} alpha beta delta"),
        reply(
            "far", "p", body="entirely other words about boats and bridges over calm northern water"
        ),
        reply("mine", "p", author="user_won", body=f"{LONG} alpha beta gamma too"),
        reply("deep", "near", body=f"{LONG} alpha beta gamma"),
    ]
    out, counts = _build(tmp_path, [post()], replies)
    found = folder.read(out, "pairs")
    assert rows(found, "won_id", "lost_id") == [("t1_won", "t1_near")]
    words = {*LONG.split()}
    expected = (len(words) + 2) / (len(words) + 4)
    assert found["similarity"][0] == pytest.approx(expected)
    assert counts["utterances"]["matched_pairs"] == 1


def test_author_of_a_post_deleted_later_is_known_by_is_submitter(tmp_path):
    replies = [
        reply("a", "p", author="x", is_submitter=False),
        reply("b", "a", author="alice", is_submitter=True),
    ]
    out, _ = _build(tmp_path, [post(author="[deleted]")], replies)
    assert rows(folder.read(out, "utterances"), "utterance_id", "is_op", "stance") == [
        ("t3_p", True, 1), ("t1_a", False, 0), ("t1_b", True, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("order", [0, 1])
def test_stated_outcome_does_not_depend_on_the_order_of_files(tmp_path, order):
    parts = [[reply("a", "p")], [reply("a", "p", delta="true", delta_by="op")]]
    files = [write_lines(tmp_path / f"RC{i}", part) for i, part in enumerate(parts)]
    dump = Dumps((write_lines(tmp_path / "RS", [post()]),), tuple(files[:: 1 - 2 * order]))
    build(dump, tmp_path / "o", PAPER, KEY)
    found = folder.read(tmp_path / "o", "utterances").filter(utterance_id="t1_a")
    assert rows(found, "delta", "delta_by") == [(True, "op")]


@pytest.mark.parametrize("entry", ["t1_c.1", "t3_550e-84", "u/Jane Doe", "u/bob@x.org"])
def test_takedown_of_other_forums_names(tmp_path, entry):
    (tmp_path / "list").write_text(entry + "\n")
    assert takedown.read(tmp_path / "list") == {entry.lower()}


@pytest.mark.parametrize("free", [0, 4, 16, 32, 64, 96])
def test_full_disk_is_told_and_the_build_goes_on_when_there_is_room(
    small_disk, tmp_path, run, free
):
    filler = fill_disk(small_disk)
    os.truncate(filler, max(filler.stat().st_size - free * 1024, 0))
    done = run("build", "--sample", "--out", small_disk / "out")
    assert done.code == 4
    assert len(done.err.strip().splitlines()[-1]) < 400
    assert "No space left" in done.err or "space" in done.err
    assert "Traceback" not in done.err
    filler.unlink()
    assert run("build", "--sample", "--out", small_disk / "out").code == 0
    sample.build_into(tmp_path / "whole")
    assert tree_bytes(small_disk / "out") == tree_bytes(tmp_path / "whole")
