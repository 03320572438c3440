import json
import shutil

import polars as pl
import pytest
from helpers import rows, tree_bytes

from sad import importers
from sad.build import folder
from sad.build.pipeline import build
from sad.build.settings import preset
from sad.build.sources import Dumps, ThreadFolder
from sad.errors import DataError, SettingsError
from sad.export import pushshift
from sad.validate import checks

KEY = b"k" * 32
ANY_TIME = preset("paper").model_copy(update={"window": None})


def _tree(name, *children, **extra):
    return {"node": {"id": name, "author": f"by_{name}", "text": f"text of {name}", **extra},
            "children": list(children)}  # fmt: skip


@pytest.fixture(scope="module")
def real_tree(real_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("tree") / "threads"
    importers.run("tree", real_data / "cmv-trees-naslab" / "cmv-conversation-example.json", out)
    return out


@pytest.fixture(scope="module")
def real_modes(real_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("modes") / "threads"
    importers.run("modes", real_data / "cmv-modes", out)
    return out


def _dump_of(threads, home):
    pushshift.run(threads, home)
    return Dumps((home / "RS.zst",), (home / "RC.zst",))


def test_tree_file(tmp_path):
    source = tmp_path / "tree.json"
    inner = _tree("b", _tree("c", text="<quote>said before</quote> answer"), timestamp=5)
    source.write_text(json.dumps(_tree("a", inner, extra_data={"title": "CMV: t", "ups": 3})))
    assert importers.run("tree", source, tmp_path / "out") == {"submissions": 1, "comments": 2}
    comments = pl.read_parquet(tmp_path / "out" / "comments.parquet")
    assert rows(comments, "id", "parent_id", "link_id", "created_utc") == [
        ("b", "t3_a", "t3_a", 5), ("c", "t1_b", "t3_a", None),
    ]  # fmt: skip
    assert comments["body"][1] == "> said before\n\nanswer"


def test_tree_of_odd_values_reads_what_it_can(tmp_path):
    source = tmp_path / "tree.json"
    odd = {"timestamp": "abc", "extra_data": {"title": [1], "ups": 1e30}, "text": "x\ud83d y"}
    source.write_text(json.dumps(_tree("a", **odd) | {}))
    importers.run("tree", source, tmp_path / "out")
    posts = pl.read_parquet(tmp_path / "out" / "submissions.parquet")
    assert rows(posts, "id", "title", "created_utc", "selftext") == [("a", None, None, "x? y")]


@pytest.mark.parametrize(
    "value", [[1], {"node": {"id": "a"}, "children": []}, {"id": "a", "text": "x"}, {"node": 3}]
)
def test_other_json_is_refused(tmp_path, value):
    source = tmp_path / "tree.json"
    source.write_text(json.dumps(value))
    with pytest.raises(DataError, match=r"tree\.json"):
        importers.run("tree", source, tmp_path / "out")


def test_unknown_form_lists_the_known(tmp_path):
    with pytest.raises(SettingsError, match="modes, op_posts, priniski, released, tree"):
        importers.run("csv", tmp_path, tmp_path / "out")


def test_modes_paths_share_their_post(tmp_path):
    for side, number, second in (("positive", 1, "b"), ("negative", 2, "c")):
        (tmp_path / "in" / side).mkdir(parents=True)
        (tmp_path / "in" / side / f"{number}.xml").write_text(
            '<?xml version="1.0"?>\n<thread ID="t">\n<title>CMV: x</title>\n<source>http://s</source>\n'
            f'<OP author="op">\npost &amp; text\n</OP>\n<reply id="{second}" author="ch">\nI disagree\n'
            '</reply>\n<reply id="' + second + '2" author="op">\nhm\n</reply>\n</thread>'
        )
    (tmp_path / "in" / "negative" / "test.xml").write_text("<thread>")
    counts = importers.run("modes", tmp_path / "in", tmp_path / "out")
    assert (counts["paths"], counts["skipped"], counts["comments"]) == (2, 1, 4)
    outcome = pl.read_parquet(tmp_path / "out" / "outcome.parquet")
    assert rows(outcome, "comment_id", "delta") == [("b", True), ("c", False)]
    assert pl.read_parquet(tmp_path / "out" / "submissions.parquet")["selftext"][0] == "post & text"


def test_real_tree_through_a_dump_keeps_every_node(real_tree, tmp_path):
    counts = build(_dump_of(real_tree, tmp_path / "d"), tmp_path / "b", preset("none"), KEY)
    assert folder.read(tmp_path / "b", "utterances").height == 130
    assert folder.read(tmp_path / "b", "utterances")["depth"].max() == 18
    assert counts["paths"]["dialogues"] == 32


def test_real_tree_under_the_rules_of_the_paper(real_tree, tmp_path):
    build(_dump_of(real_tree, tmp_path / "d"), tmp_path / "b", ANY_TIME, KEY)
    kept = set(folder.read(tmp_path / "b", "utterances")["utterance_id"])
    dropped = pl.read_parquet(tmp_path / "b/.run/dropped")
    lost = set(dropped["node_id"])
    assert not kept & lost
    assert len(kept) + len(lost) == 130
    assert dropped["rule"].null_count() == 0


def test_real_modes_merge_into_trees_of_200_leaves(real_modes, tmp_path):
    counts = build(ThreadFolder(real_modes), tmp_path / "b", preset("none"), KEY)
    assert counts["threads"]["submissions"] == 67
    assert counts["paths"]["dialogues"] == 200


def test_real_modes_outcome_is_that_of_its_folders(real_modes, real_data):
    outcome = pl.read_parquet(real_modes / "outcome.parquet")
    assert 0 < outcome["delta"].sum() <= 100
    positive = real_data / "cmv-modes" / "original" / "positive"
    texts = " ".join(p.read_text(errors="replace") for p in positive.glob("*.xml"))
    won = outcome.filter("delta")["comment_id"].to_list()
    assert all(f'id="{name}"' in texts for name in won)


@pytest.mark.parametrize("rules", [preset("none"), ANY_TIME], ids=["none", "paper"])
@pytest.mark.parametrize("source", ["real_tree", "real_modes"])
def test_real_dump_and_thread_folder_build_the_same(source, rules, request, tmp_path):
    threads = request.getfixturevalue(source)
    build(_dump_of(threads, tmp_path / "d"), tmp_path / "a", rules, KEY)
    build(ThreadFolder(threads), tmp_path / "b", rules, KEY)
    a, b = (folder.read(tmp_path / name, "utterances").drop("delta") for name in "ab")
    assert a.equals(b)
    assert folder.read(tmp_path / "a", "dialogues").equals(folder.read(tmp_path / "b", "dialogues"))
    assert not [fault for _, fault in checks(tmp_path / "a") if fault]


@pytest.mark.parametrize("source", ["real_tree", "real_modes"])
def test_real_build_twice_has_the_same_bytes(source, request, tmp_path):
    threads = request.getfixturevalue(source)
    for name in "ab":
        build(ThreadFolder(threads), tmp_path / name, ANY_TIME, KEY)
    assert tree_bytes(tmp_path / "a") == tree_bytes(tmp_path / "b")


def test_real_texts_are_clean(real_modes, tmp_path):
    build(ThreadFolder(real_modes), tmp_path / "b", ANY_TIME, KEY)
    texts = folder.read(tmp_path / "b", "utterances")["text"]
    for noise in ("http://", "https://", "∆", "&gt;", "&amp;", "Hello, users of CMV", "\u200b"):
        assert not texts.str.contains(noise, literal=True).any(), noise
    assert not texts.str.contains(r"(?m)^\s*>[^!]").any()
    assert not texts.str.contains(r"(?i)\n\s*edit\s*:").any()


def test_export_of_a_build_builds_again(real_modes, tmp_path):
    build(ThreadFolder(real_modes), tmp_path / "a", ANY_TIME, KEY)
    build(_dump_of(tmp_path / "a", tmp_path / "d"), tmp_path / "b", preset("none"), KEY)
    a, b = (folder.read(tmp_path / name, "utterances") for name in "ab")
    assert rows(a, "utterance_id", "text", "depth") == rows(b, "utterance_id", "text", "depth")
    one, other = (folder.read(tmp_path / name, "dialogues") for name in "ab")
    assert one["dialogue_id"].sort().equals(other["dialogue_id"].sort())


def test_exported_dump_has_the_window_of_the_public_ones(real_tree, tmp_path):
    import zstandard

    source = _dump_of(real_tree, tmp_path / "d")
    for path in source.files():
        assert zstandard.get_frame_parameters(path.read_bytes()).window_size == 2**31


def test_exporters_and_importers_refuse_a_full_folder(real_tree, tmp_path):
    shutil.copytree(real_tree, tmp_path / "full")
    with pytest.raises(SettingsError, match="not an empty folder"):
        pushshift.run(real_tree, tmp_path / "full")
