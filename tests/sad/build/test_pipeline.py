import json
import random
import stat

import polars as pl
import pytest
from helpers import post, reply, rows, tree_bytes, write_lines

from sad import sample
from sad.build import authors, folder
from sad.build.pipeline import build
from sad.build.settings import BuildSettings, preset
from sad.build.sources import Dumps, ThreadFolder
from sad.errors import DataError, SettingsError
from sad.files import read_json

KEY = b"k" * 32


def _dump(tmp_path, posts, replies, name="dump"):
    home = tmp_path / name
    home.mkdir()
    return Dumps((write_lines(home / "RS", posts),), (write_lines(home / "RC", replies),))


def _conserved(counts):
    return all(c["kept"] + sum(c["dropped"].values()) == c["seen"] for c in counts.values())


def test_sample_gives_the_texts_that_its_gold_was_written_for(built_sample):
    gold = {record["id"]: record["text"] for record in sample.gold()}
    found = dict(rows(folder.read(built_sample, "utterances"), "utterance_id", "text"))
    assert found == {name: gold[name] for name in found}


def test_sample_drops_what_its_scripts_say_for_the_reason_they_say(built_sample):
    expected = read_json(sample.HERE / "expected.json")["dropped"]
    dropped = pl.read_parquet(built_sample / ".run" / "dropped")
    assert dict(rows(dropped, "node_id", "rule")) == expected


def test_every_gold_utterance_is_built_or_dropped_for_a_reason(built_sample):
    kept = set(folder.read(built_sample, "utterances")["utterance_id"])
    dropped = set(pl.read_parquet(built_sample / ".run" / "dropped")["node_id"])
    assert {record["id"] for record in sample.gold()} <= kept | dropped


def test_sample_is_what_its_scripts_compile_to(tmp_path, monkeypatch):
    from sad.sample import compile as compiler

    monkeypatch.setattr(compiler, "HERE", tmp_path)
    compiler.main()
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (sample.HERE / path.name).read_bytes(), path.name


def test_sample_is_large_and_varied():
    gold = sample.gold()
    comments = [r for r in gold if r["id"].startswith("t1_")]
    assert len(comments) >= 300
    assert len(gold) - len(comments) >= 24
    used = {label for record in gold for label in record["strategies"]}
    assert used == {"Question", "Causality", "Example", "Analogy", "Statement"}
    assert {record["stance"] for record in gold} == {0, 1}
    for record in gold:
        assert {s["label"] for s in record["spans"]} == set(record["strategies"])
        assert all(0 <= s["start"] < s["end"] <= len(record["text"]) for s in record["spans"])


@pytest.mark.parametrize("rules", ["paper", "none"])
def test_kept_and_dropped_are_all_that_was_seen(tmp_path, rules):
    counts = build(sample.DUMPS, tmp_path / "out", preset(rules), KEY)
    assert _conserved(counts)
    dropped = pl.read_parquet(tmp_path / "out/.run/dropped")
    by_rule = dict(dropped["rule"].value_counts().iter_rows())
    stages = ("threads", "nodes", "utterances")
    counted = {k: n for stage in stages for k, n in counts[stage]["dropped"].items()}
    # a duplicate is no node of its own: the node of that id is kept or dropped once
    assert by_rule == {k: n for k, n in counted.items() if n and k != "duplicates"}
    kept = folder.read(tmp_path / "out", "utterances")["utterance_id"].to_list()
    everything = sorted([*kept, *dropped["node_id"]])
    nodes = counts["threads"]
    assert len(everything) == len(set(everything)) == nodes["submissions"] + nodes["comments"]


def test_no_rules_keep_every_node_as_it_is(tmp_path):
    source = _dump(
        tmp_path,
        [post(selftext="[removed]", created_utc=5), post("q", title="CMV: q", selftext="")],
        [reply("a", "p", body="[deleted]", author="[deleted]"), reply("b", "a", body=" x &gt; "),
         reply("c", "b", author="DeltaBot", body="no"), reply("d", "b", author="DeltaBot", body="no")],
    )  # fmt: skip
    counts = build(source, tmp_path / "out", preset("none"), KEY)
    table = folder.read(tmp_path / "out", "utterances")
    assert dict(rows(table, "utterance_id", "text")) == {
        "t3_p": "[removed]", "t3_q": "", "t1_a": "[deleted]", "t1_b": " x &gt; ",
        "t1_c": "no", "t1_d": "no",
    }  # fmt: skip
    assert counts["paths"]["dialogues"] == 3
    assert folder.read(tmp_path / "out", "dialogues").filter(pl.col("n_turns") == 1).height == 1


def test_subtree_of_a_dropped_node_is_pruned(tmp_path):
    source = _dump(
        tmp_path,
        [post()],
        [reply("a", "p", body="too short"), reply("b", "a"), reply("c", "b"), reply("d", "p")],
    )
    counts = build(source, tmp_path / "out", preset("paper"), KEY)
    assert counts["nodes"]["dropped"] == {"pruned": 2, "short": 1}
    assert folder.read(tmp_path / "out", "utterances")["utterance_id"].to_list() == ["t3_p", "t1_d"]


def test_thread_whose_comments_all_fall_gives_no_dialogue(tmp_path):
    source = _dump(tmp_path, [post()], [reply("a", "p", body="no")])
    counts = build(source, tmp_path / "out", preset("paper"), KEY)
    assert counts["paths"]["dropped"]["min_turns"] == 1
    assert counts["utterances"]["dropped"]["in_no_dialogue"] == 1
    dropped = pl.read_parquet(tmp_path / "out/.run/dropped")
    assert rows(dropped, "node_id", "rule") == [("t1_a", "short"), ("t3_p", "in_no_dialogue")]
    assert folder.read(tmp_path / "out", "dialogues").is_empty()
    assert _conserved(counts)


@pytest.mark.parametrize("rules", ["paper", "none"])
def test_empty_input_gives_an_empty_valid_folder(tmp_path, rules):
    counts = build(_dump(tmp_path, [], []), tmp_path / "out", preset(rules), KEY)
    assert _conserved(counts)
    assert folder.read(tmp_path / "out", "utterances").is_empty()


def test_two_builds_have_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        build(sample.DUMPS, tmp_path / name, preset("paper"), KEY)
    assert tree_bytes(tmp_path / "a") == tree_bytes(tmp_path / "b")


def test_order_and_files_of_the_input_do_not_matter(tmp_path):
    posts = [json.loads(x) for x in sample.DUMPS.submissions[0].read_text().split("\n")[:28]]
    lines = sample.DUMPS.comments[0].read_text().split("\n")[:400]
    replies = [json.loads(line) for line in lines]
    build(_dump(tmp_path, posts, replies, "one"), tmp_path / "a", preset("paper"), KEY)
    random.Random(1).shuffle(posts)
    random.Random(2).shuffle(replies)
    home = tmp_path / "two"
    home.mkdir()
    halves = (write_lines(home / "x", replies[:150]), write_lines(home / "y", replies[150:]))
    source = Dumps((write_lines(home / "RS", posts),), halves)
    build(source, tmp_path / "b", preset("paper"), KEY)
    assert tree_bytes(tmp_path / "a") == tree_bytes(tmp_path / "b")


def test_finished_build_is_left_alone(tmp_path):
    first = build(sample.DUMPS, tmp_path / "out", preset("paper"), KEY)
    stamp = (tmp_path / "out/utterances/train-00000-of-00001.parquet").stat().st_mtime_ns
    assert build(sample.DUMPS, tmp_path / "out", preset("paper"), KEY) == first
    assert (tmp_path / "out/utterances/train-00000-of-00001.parquet").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("stage", ["read", "plan", "trees", "choose", "write"])
def test_stopped_build_goes_on_to_the_same_bytes(tmp_path, stage):
    build(sample.DUMPS, tmp_path / "whole", preset("paper"), KEY)

    def stop(name, *_):
        if name == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(sample.DUMPS, tmp_path / "out", preset("paper"), KEY, on_progress=stop)
    with pytest.raises(DataError, match="not a finished build"):
        folder.read(tmp_path / "out", "utterances")
    build(sample.DUMPS, tmp_path / "out", preset("paper"), KEY)
    assert tree_bytes(tmp_path / "out") == tree_bytes(tmp_path / "whole")


def test_folder_with_other_settings_input_or_key_is_refused(tmp_path):
    out = tmp_path / "out"
    build(sample.DUMPS, out, preset("paper"), KEY)
    with pytest.raises(SettingsError, match="min_words"):
        build(sample.DUMPS, out, BuildSettings(min_words=11), KEY)
    with pytest.raises(SettingsError, match="author_key"):
        build(sample.DUMPS, out, preset("paper"), b"other" * 10)
    with pytest.raises(SettingsError, match="inputs"):
        build(_dump(tmp_path, [post()], []), out, preset("paper"), KEY)


def test_folder_of_another_version_is_refused(tmp_path, monkeypatch):
    build(sample.DUMPS, tmp_path / "out", preset("paper"), KEY)
    monkeypatch.setattr("sad.build.pipeline.version", lambda _: "9.9")
    with pytest.raises(SettingsError, match=r"version of sad-dialogue"):
        build(sample.DUMPS, tmp_path / "out", preset("paper"), KEY)


def test_unfinished_build_of_something_else_is_made_anew(tmp_path):
    out = tmp_path / "out"
    build(sample.DUMPS, out, BuildSettings(min_words=20), KEY)
    (out / ".run" / "done").unlink()
    (out / "utterances" / ".x.sad-tmp").write_text("left over by a kill")
    build(sample.DUMPS, out, preset("paper"), KEY)
    build(sample.DUMPS, tmp_path / "whole", preset("paper"), KEY)
    assert tree_bytes(out) == tree_bytes(tmp_path / "whole")


def test_folder_that_is_not_ours_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(SettingsError, match="not a build"):
        build(sample.DUMPS, tmp_path, preset("paper"), KEY)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_thread_folder_that_lacks_a_table_is_refused(tmp_path):
    (tmp_path / "threads").mkdir()
    with pytest.raises(DataError, match="is missing"):
        build(ThreadFolder(tmp_path / "threads"), tmp_path / "out", preset("paper"), KEY)


def test_speakers_are_keyed_hashes(tmp_path):
    for name, key in (("a", KEY), ("b", b"z" * 32)):
        build(sample.DUMPS, tmp_path / name, preset("paper"), key)
    one, other = (folder.read(tmp_path / n, "utterances")["speaker"] for n in ("a", "b"))
    assert one.n_unique() == other.n_unique() > 20
    assert not set(one) & set(other)
    everything = b"".join(tree_bytes(tmp_path / "a").values())
    assert b"tallowmere" not in everything


def test_author_key_is_made_once_and_private(tmp_path):
    path = tmp_path / "keys" / "author.key"
    first = authors.read_key(path, tmp_path / "out", make=True)
    assert authors.read_key(path, tmp_path / "out") == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        authors.read_key(path, tmp_path / "out")


def test_author_key_inside_the_output_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="outside"):
        authors.read_key(tmp_path / "out" / "key", tmp_path / "out")


def test_another_process_in_the_folder_is_noticed(tmp_path):
    with folder.locked(tmp_path / "out"), pytest.raises(SettingsError, match="another"):
        build(sample.DUMPS, tmp_path / "out", preset("paper"), KEY)


@pytest.mark.parametrize("depth", [20_000])
def test_chain_of_many_comments(tmp_path, depth):
    chain = [reply(f"c{i}", f"c{i - 1}" if i else "p") for i in range(depth)]
    counts = build(_dump(tmp_path, [post()], chain), tmp_path / "out", preset("none"), KEY)
    assert counts["paths"]["dialogues"] == 1
    assert folder.read(tmp_path / "out", "dialogues")["n_turns"].item() == depth + 1


def test_inputs_are_not_touched(tmp_path):
    source = _dump(tmp_path, [post()], [reply("a", "p")])
    before = [(p.read_bytes(), p.stat().st_mtime_ns) for p in source.files()]
    build(source, tmp_path / "out", preset("paper"), KEY)
    assert [(p.read_bytes(), p.stat().st_mtime_ns) for p in source.files()] == before
