"""Exporters, their importers, and the way out and in again."""

import json
import shutil

import polars as pl
import pytest
from helpers import rows, tree_bytes, write_lines

from sad import importers, plugins
from sad.build import folder
from sad.build.pipeline import build
from sad.build.settings import preset
from sad.build.sources import Dumps, ThreadFolder
from sad.errors import DataError
from sad.export import chat, convokit, pushshift, released
from sad.validate import checks

KEY = b"k" * 32
NONE = preset("none")
ANY_TIME = preset("paper").model_copy(update={"window": None})


def _again(form, source, home):
    """``source`` exported as ``form``, imported, and built by no rules."""
    plugins.load("sad.export", form).run(source, home / "exported")
    if form == "pushshift":
        built_from = Dumps((home / "exported/RS.zst",), (home / "exported/RC.zst",))
    else:
        importers.run(form, home / "exported", home / "threads")
        built_from = ThreadFolder(home / "threads")
    build(built_from, home / "again", NONE, KEY)
    assert not [name for name, fault in checks(home / "again") if fault]
    return home / "again"


def _content(path):
    """Dialogues, texts and outcomes of a build."""
    dialogues = folder.read(path, "dialogues")
    columns = ("dialogue_id", "thread_id", "topic", "utterance_ids", "n_turns")
    utterances = folder.read(path, "utterances")
    texts = ("utterance_id", "thread_id", "parent_id", "depth", "text", "delta", "delta_by")
    return sorted(rows(dialogues, *columns)), sorted(rows(utterances, *texts))


def _real(form, real_data, home):
    source = {"modes": "cmv-modes", "tree": "cmv-trees-naslab", "priniski": "cmv-priniski"}[form]
    importers.run(form, real_data / source, home / "in")
    return home / "in"


@pytest.mark.parametrize("form", ["pushshift", "released", "convokit"])
def test_sample_goes_out_and_comes_in_again(gold_sample, form, tmp_path):
    again = _again(form, gold_sample, tmp_path)
    assert _content(again) == _content(gold_sample)
    deltas = folder.read(again, "utterances")["delta_by"].value_counts().sort("delta_by")
    assert deltas.rows() == [(None, 404), ("op", 13), ("other", 4)]


@pytest.mark.parametrize("form", ["pushshift", "released", "convokit"])
@pytest.mark.parametrize("source", ["modes", "tree", "priniski"])
def test_real_builds_go_out_and_come_in_again(real_data, form, source, tmp_path):
    threads = _real(source, real_data, tmp_path)
    build(ThreadFolder(threads), tmp_path / "b", ANY_TIME, KEY)
    assert _content(_again(form, tmp_path / "b", tmp_path)) == _content(tmp_path / "b")


@pytest.mark.parametrize("form", ["pushshift", "convokit"])
@pytest.mark.parametrize("source", ["modes", "tree", "priniski"])
def test_real_threads_go_out_and_come_in_again(real_data, form, source, tmp_path):
    threads = _real(source, real_data, tmp_path)
    build(ThreadFolder(threads), tmp_path / "b", NONE, KEY)
    assert _content(_again(form, threads, tmp_path)) == _content(tmp_path / "b")


@pytest.mark.parametrize("form", ["pushshift", "released", "convokit"])
def test_builds_without_their_posts_go_out_and_come_in_again(form, tmp_path):
    from sad import sample

    without = NONE.model_copy(update={"include_post": False})
    settings = preset("paper").model_copy(update={"include_post": False, "min_turns": 1})
    build(sample.DUMPS, tmp_path / "b", settings, KEY)
    plugins.load("sad.export", form).run(tmp_path / "b", tmp_path / "out")
    if form == "pushshift":
        source = Dumps((tmp_path / "out/RS.zst",), (tmp_path / "out/RC.zst",))
    else:
        importers.run(form, tmp_path / "out", tmp_path / "threads")
        source = ThreadFolder(tmp_path / "threads")
    build(source, tmp_path / "again", without, KEY)
    assert _content(tmp_path / "again") == _content(tmp_path / "b")


@pytest.mark.parametrize("form", ["released", "convokit"])
def test_stances_come_in_again_as_the_source_stated_them(gold_sample, form, tmp_path):
    again = folder.read(_again(form, gold_sample, tmp_path), "utterances")
    stances = dict(rows(folder.read(gold_sample, "utterances"), "utterance_id", "stance"))
    assert dict(rows(again, "utterance_id", "stance")) == stances
    assert set(again["label_source"]) == {"stance:source"}
    stated = pl.read_parquet(tmp_path / "threads" / "labels.parquet")
    sets = dict(rows(folder.read(gold_sample, "utterances"), "utterance_id", "strategies"))
    assert dict(rows(stated, "utterance_id", "strategies")) == sets


@pytest.mark.parametrize("form", ["pushshift", "released", "convokit", "chat"])
def test_export_twice_gives_the_same_bytes(gold_sample, form, tmp_path):
    for name in "ab":
        plugins.load("sad.export", form).run(gold_sample, tmp_path / name)
    assert tree_bytes(tmp_path / "a") == tree_bytes(tmp_path / "b")


def _released(tmp_path, texts, records):
    source = tmp_path / "in"
    source.mkdir()
    (source / "sent.json").write_text(json.dumps(texts))
    (source / "argument.json").write_text(json.dumps(records))
    counts = importers.run("released", source, tmp_path / "out")
    names = ("submissions", "comments", "outcome", "labels")
    return counts, {n: pl.read_parquet(tmp_path / "out" / f"{n}.parquet") for n in names}


def test_released_files_of_the_authors(tmp_path):
    texts = {"1": "post", "2": "answer", "3": "reply", "4": "other answer", "9": "in no path"}
    records = [
        {"topic": "T", "context": [1, 2, 3], "attitude": [1, 0, 1]},
        {"topic": "T", "context": ["1", "4"], "attitude": [1]},  # misaligned
        {"topic": "T", "context": ["1", "2"], "attitude": [1, 0]},  # ends above a leaf
        {"topic": "T", "context": ["1", "4", "3"], "attitude": [1, 0, 1]},  # 3 has another parent
        {"topic": "T", "context": ["1", "77"], "attitude": [1, 0]},  # no text
        {"topic": "U", "context": ["x"], "attitude": [0]},
        {"topic": "V", "context": ["v1"], "attitude": [0]},
        {"topic": "V", "context": ["v2"], "attitude": [1]},  # two heads: neither is the post
        {"topic": 5, "context": ["1"]},
        {"topic": "T", "context": []},
        {"topic": "T", "context": [None]},
        "nothing",
    ]
    counts, tables = _released(tmp_path, texts, records)
    assert {k: counts[k] for k in ("bad_records", "misaligned", "conflicts", "unused_texts")} == {
        "bad_records": 4, "misaligned": 1, "conflicts": 1, "unused_texts": 1,
    }  # fmt: skip
    assert counts["missing_texts"] == 4
    # [1, 2] and [1, 4] end where others go on (the second through the path whose end conflicts: no)
    assert counts["not_leaves"] == 1
    assert rows(tables["comments"], "id", "link_id", "parent_id", "body") == [
        ("2", "t3_1", "t3_1", "answer"), ("3", "t3_1", "t1_2", "reply"),
        ("4", "t3_1", "t3_1", "other answer"), ("77", "t3_1", "t3_1", None),
        ("v1", tables["comments"]["link_id"][4], tables["comments"]["link_id"][4], None),
        ("v2", tables["comments"]["link_id"][5], tables["comments"]["link_id"][5], None),
    ]  # fmt: skip
    assert tables["submissions"].height == 3
    sides = dict(rows(tables["labels"], "utterance_id", "stance"))
    assert sides == {
        "t3_1": 1,
        "t1_2": 0,
        "t1_3": 1,
        "t1_4": 0,
        "t1_77": 0,
        "t3_x": 0,
        "t1_v1": 0,
        "t1_v2": 1,
    }


def test_released_values_outside_their_closed_sets_are_null(tmp_path):
    records = [
        {"topic": "T", "context": ["p", "a", "b"], "attitude": [1.0, "1", True],
         "strategies": [["Zorp"], [5], ["Statement", "Question"]], "delta": [None, "x", True], "delta_by": [1, 2, 3]},
        {"topic": "T", "context": ["p", "c"]},  # says nothing of stances: not misaligned
    ]  # fmt: skip
    counts, tables = _released(tmp_path, {}, records)
    assert counts["misaligned"] == 0
    assert rows(tables["labels"], "utterance_id", "stance", "strategies") == [
        ("t1_b", None, ["Question", "Statement"]), ("t3_p", 1, None),
    ]  # fmt: skip
    assert rows(tables["outcome"], "comment_id", "delta", "by") == [("b", True, None)]


def test_released_posts_are_kept_apart(tmp_path):
    records = [
        {"topic": "T", "context": ["t3_a", "t1_b"]},
        {"topic": "T", "context": ["t3_c", "t1_d"]},  # another post of the same title
        {"topic": "U", "context": ["t3_a", "t1_e"]},  # another title of the same post
        {"topic": "T", "context": ["t3_c"]},  # ends above a leaf
        {"topic": "T", "context": ["t3_f", "x", "x"]},  # a circle
    ]
    counts, tables = _released(tmp_path, {}, records)
    assert rows(tables["submissions"], "id", "title") == [("a", "T"), ("c", "T")]
    assert rows(tables["comments"], "id", "parent_id") == [
        ("b", "t3_a"),
        ("d", "t3_c"),
        ("e", "t3_a"),
    ]
    assert (counts["not_leaves"], counts["bad_records"]) == (1, 1)


def test_released_post_under_two_topics_keeps_the_first(tmp_path):
    records = [{"topic": t, "context": [1, n]} for t, n in (("T", 2), ("U", 3))]
    counts, tables = _released(tmp_path, {}, records)
    assert rows(tables["submissions"], "id", "title") == [("1", "T")]
    assert counts["conflicts"] == 1
    assert tables["comments"].height == 2


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("sent.json", "[1]", "expected an object"),
        ("argument.json", "{}", "expected a list"),
        ("sent.json", "{", "is not JSON"),
        ("argument.json", None, "cannot be read"),
    ],
)
def test_other_files_are_not_a_release(tmp_path, name, text, told):
    (tmp_path / "sent.json").write_text("{}")
    (tmp_path / "argument.json").write_text("[]")
    if text is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=rf"{name}.*{told}"):
        importers.run("released", tmp_path, tmp_path / "out")


def test_released_needs_a_build(tmp_path):
    importers.run("jsonl", write_lines(tmp_path / "x.jsonl", [{"id": 1}]), tmp_path / "threads")
    with pytest.raises(DataError, match="not a build"):
        released.run(tmp_path / "threads", tmp_path / "out")


def _corpus(path, utterances, conversations, **files):
    path.mkdir()
    write_lines(path / "utterances.jsonl", utterances)
    for name, value in {"conversations": conversations, **files}.items():
        (path / f"{name}.json").write_text(json.dumps(value))
    return path


def _convokit(source, tmp_path):
    counts = importers.run("convokit", source, tmp_path / "threads")
    names = ("submissions", "comments", "outcome", "labels")
    return counts, {n: pl.read_parquet(tmp_path / "threads" / f"{n}.parquet") for n in names}


def test_convokit_corpus_of_today(tmp_path):
    source = _corpus(
        tmp_path / "in",
        [
            {"id": "p", "conversation_id": "p", "speaker": "op", "text": "", "reply-to": None, "timestamp": "5",
             "meta": {"success": None}},
            {"id": "a", "conversation_id": "p", "speaker": "x", "text": "one", "reply-to": "p", "timestamp": 6.0,
             "meta": {"success": 1, "ups": 3, "pickled": "<##bin{0}&&@**>"}},
            {"id": "b", "conversation_id": "p", "speaker": "[missing]", "text": None, "reply-to": "a",
             "timestamp": None, "meta": {"success": 0}},
            {"id": "c", "conversation_id": "p", "speaker": "y", "text": "lost", "reply-to": "gone", "meta": {}},
            {"conversation_id": "p"},
        ],
        {"p": {"meta": {"op-title": "CMV: t", "op-text-body": "body"}, "vectors": []}},
        index={"utterances-index": {"pickled": ["bin"], "success": ["<class 'int'>"]}, "version": 1},
    )  # fmt: skip
    (source / "pickled-bin.p").write_bytes(b"cos\nsystem\n(S'touch /tmp/pwned'\ntR.")
    with (source / "utterances.jsonl").open("a") as file:
        file.write("{broken\n")
    counts, tables = _convokit(source, tmp_path)
    assert (counts["no_id"], counts["bad_json"], counts["binary_fields"]) == (1, 1, 1)
    assert rows(tables["submissions"], "id", "title", "selftext", "created_utc") == [
        ("p", "CMV: t", "body", 5)
    ]
    assert rows(tables["comments"], "id", "parent_id", "author", "body", "created_utc", "score") == [
        ("a", "t3_p", "x", "one", 6, 3), ("b", "t1_a", None, None, None, None),
        ("c", "t1_gone", "y", "lost", None, None),
    ]  # fmt: skip
    assert rows(tables["outcome"], "comment_id", "delta", "by") == [
        ("a", True, "op"),
        ("b", False, None),
    ]


def test_convokit_corpus_of_old(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    rows_ = [{"id": "p", "root": "p", "user": {"id": "op"}, "text": "post", "reply_to": None, "timestamp": 5},
             {"id": "a", "root": "p", "user": "x", "text": "one", "reply_to": "p", "timestamp": 6}]  # fmt: skip
    (source / "utterances.json").write_text(json.dumps(rows_))
    (source / "conversations.json").write_text(json.dumps({"p": {"title": "flat"}}))
    _, tables = _convokit(source, tmp_path)
    assert rows(tables["submissions"], "id", "title", "author", "selftext") == [
        ("p", "flat", "op", "post")
    ]
    assert rows(tables["comments"], "id", "parent_id", "author") == [("a", "t3_p", "x")]


@pytest.mark.parametrize(
    ("permalink", "thread"), [("/r/changemyview/comments/sub1/x/", "sub1"), (None, "croot")]
)
def test_convokit_conversations_that_start_at_a_comment(tmp_path, permalink, thread):
    meta = {"top_level_comment": "root", "permalink": permalink}
    source = _corpus(
        tmp_path / "in",
        [{"id": "root", "conversation_id": "root", "speaker": "x", "text": "one", "reply-to": None, "meta": meta},
         {"id": "b", "conversation_id": "root", "speaker": "y", "text": "two", "reply-to": "root", "meta": {}}],
        {"root": {"meta": {"title": "t"}}},
    )  # fmt: skip
    _, tables = _convokit(source, tmp_path)
    assert rows(tables["submissions"], "id", "title", "selftext") == [(thread, "t", None)]
    link = f"t3_{thread}"
    assert rows(tables["comments"], "id", "link_id", "parent_id") == [
        ("b", link, "t1_root"),
        ("root", link, link),
    ]


def test_convokit_root_of_another_name_than_its_conversation(tmp_path):
    source = _corpus(
        tmp_path / "in",
        [{"id": "r", "conversation_id": "conv", "speaker": "x", "text": "post", "reply-to": None},
         {"id": "b", "conversation_id": "conv", "speaker": "y", "text": "two", "reply-to": "r"},
         {"id": "c", "conversation_id": "conv", "speaker": "y", "text": "three", "reply-to": "b"}],
        {"conv": {"meta": {"op-title": "<##bin{0}&&@**>"}}},
        index={"conversations-index": {"op-title": ["bin"]}},
    )  # fmt: skip
    counts, tables = _convokit(source, tmp_path)
    assert counts["binary_fields"] == 1
    assert rows(tables["submissions"], "id", "title", "selftext") == [("conv", None, "post")]
    assert rows(tables["comments"], "id", "link_id", "parent_id") == [
        ("b", "t3_conv", "t3_conv"), ("c", "t3_conv", "t1_b"),
    ]  # fmt: skip


def test_convokit_without_conversations_lacks_titles_only(tmp_path):
    lines = [{"id": "p", "speaker": "x", "text": "post", "reply-to": None}]
    (tmp_path / "in").mkdir()
    write_lines(tmp_path / "in" / "utterances.jsonl", lines)
    _, tables = _convokit(tmp_path / "in", tmp_path)
    assert rows(tables["submissions"], "id", "title", "selftext") == [("p", None, "post")]


def test_folder_that_is_no_corpus_is_refused(tmp_path):
    (tmp_path / "conversations.json").write_text("{}")
    with pytest.raises(DataError, match=r"utterances\.jsonl"):
        importers.run("convokit", tmp_path, tmp_path / "out")


def test_convokit_has_one_name_for_posts_and_comments(tmp_path):
    lines = [{"id": 1, "title": "t"}, {"id": 1, "parent": 1, "thread": 1}]
    importers.run("jsonl", write_lines(tmp_path / "x.jsonl", lines), tmp_path / "threads")
    with pytest.raises(DataError, match="both called 1"):
        convokit.run(tmp_path / "threads", tmp_path / "out")


def test_dump_says_what_is_known_of_outcomes(tmp_path):
    lines = [
        {"id": 1, "text": "no title"},
        *({"id": n, "parent": 1, "delta": d} for n, d in (("a", True), ("b", False), ("c", None))),
    ]
    importers.run("jsonl", write_lines(tmp_path / "x.jsonl", lines), tmp_path / "threads")
    again = _again("pushshift", tmp_path / "threads", tmp_path)
    found = dict(rows(folder.read(again, "utterances"), "utterance_id", "delta"))
    assert found == {"t3_1": None, "t1_a": True, "t1_b": False, "t1_c": None}


def test_chat_alternates_and_ends_with_the_target(gold_sample, tmp_path):
    sizes = chat.run(gold_sample, tmp_path / "out")
    examples = {
        e["dialogue_id"]: e for e in folder.read(gold_sample, "examples").iter_rows(named=True)
    }
    found = [
        json.loads(line)
        for split in sizes
        for line in (tmp_path / "out" / f"{split}.jsonl").read_text().splitlines()
    ]
    assert len(found) == sum(sizes.values()) == len(examples) == 105
    for row in found:
        roles = [message["role"] for message in row["messages"]]
        assert roles == ["system", *["user", "assistant"] * (len(roles) // 2)]
        example = examples[row["dialogue_id"]]
        assert row["messages"][-1]["content"] == example["target"]
        said = "".join(message["content"] for message in row["messages"])
        assert all(turn["text"] in said for turn in example["history"])
        assert all(
            f"- {name}:" in row["messages"][0]["content"] for name in example["target_strategies"]
        )


def test_chat_needs_labels(built_sample, tmp_path):
    with pytest.raises(DataError, match="no labels"):
        chat.run(built_sample, tmp_path / "out")


@pytest.mark.parametrize("exporter", [pushshift, convokit])
def test_damaged_folder_is_refused_before_anything_is_written(tmp_path, built_sample, exporter):
    shutil.copytree(built_sample, tmp_path / "b")
    folder.files(tmp_path / "b", "utterances")[0].write_bytes(b"no parquet")
    with pytest.raises(DataError, match="readable Parquet"):
        exporter.run(tmp_path / "b", tmp_path / "out")
    assert not (tmp_path / "out").exists()
