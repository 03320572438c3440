import json

from helpers import post, reply, rows, thread_rows, write_lines

from sad.build.threads import join


def _join(tmp_path, posts, replies):
    dumps = [write_lines(tmp_path / "RS", posts)], [write_lines(tmp_path / "RC", replies)]
    return join(thread_rows(*dumps))


def test_tree_with_depths_and_parents(tmp_path):
    found = _join(
        tmp_path, [post()], [reply("b", "a"), reply("a", "p"), reply("c", "a"), reply("d", "b")]
    )
    assert rows(found.nodes, "node_id", "depth", "parent") == [
        ("t3_p", 0, -1), ("t1_a", 1, 0), ("t1_b", 2, 1), ("t1_c", 2, 1), ("t1_d", 3, 2),
    ]  # fmt: skip
    assert found.dropped.is_empty()


def test_later_retrieval_of_a_comment_wins_whatever_the_order(tmp_path):
    old, new = (
        reply("a", "p", body="old", retrieved_on=1),
        reply("a", "p", body="new", retrieved_on=2),
    )
    unknown = reply("a", "p", body="unknown")
    for order in ([old, new, unknown], [new, unknown, old], [unknown, old, new]):
        found = _join(tmp_path, [post()], order)
        assert found.nodes["body"][1] == "new"
        assert found.counts["duplicates"] == 2


def test_ids_with_and_without_prefix_are_the_same(tmp_path):
    found = _join(tmp_path, [post("p"), post("t3_p")], [reply("a", "p"), reply("t1_a", "p")])
    assert rows(found.nodes, "node_id") == [("t3_p",), ("t1_a",)]
    assert found.counts["duplicates"] == 2


def test_equal_retrievals_are_decided_by_content_not_by_order(tmp_path):
    one, other = reply("a", "p", body="one"), reply("a", "p", body="other")
    kept = {
        _join(tmp_path, [post()], order).nodes["body"][1] for order in ([one, other], [other, one])
    }
    assert len(kept) == 1


def test_orphans_and_what_hangs_below_them_are_counted(tmp_path):
    found = _join(
        tmp_path,
        [post()],
        [
            reply("a", "gone"),
            reply("b", "a"),
            reply("c", "p", parent_id=77),
            reply("d", "p", parent_id=None),
            reply("e", "q", link="q"),  # its submission is missing
            reply("f", "p", link_id="t3_q", parent_id="t3_p"),  # its parent is of another thread
            reply("g", "p"),
        ],
    )
    assert rows(found.nodes, "node_id") == [("t3_p",), ("t1_g",)]
    assert (found.counts["orphans"], found.counts["missing_submission"]) == (4, 2)
    assert dict(rows(found.dropped, "node_id", "rule")) == {
        **dict.fromkeys(["t1_a", "t1_b", "t1_c", "t1_d"], "orphans"),
        **dict.fromkeys(["t1_e", "t1_f"], "missing_submission"),
    }


def test_cycles_are_counted(tmp_path):
    found = _join(
        tmp_path, [post()], [reply("a", "b"), reply("b", "a"), reply("c", "c"), reply("d", "a")]
    )
    assert found.counts["cycles"] == 4
    assert found.nodes.height == 1


def test_a_comment_and_a_submission_may_share_an_id(tmp_path):
    found = _join(tmp_path, [post("x")], [reply("x", "x", link="x")])
    assert rows(found.nodes, "node_id") == [("t3_x",), ("t1_x",)]


def test_deleted_authors_have_no_name(tmp_path):
    found = _join(tmp_path, [post(author="[deleted]")], [reply("a", "p", author=None)])
    assert found.nodes["author"].to_list() == [None, None]


def test_nothing_at_all(tmp_path):
    assert _join(tmp_path, [], []).nodes.is_empty()
    assert json.dumps(_join(tmp_path, [], [reply("a", "p")]).counts)
