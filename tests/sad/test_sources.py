"""Importers of priniski, op-posts, webis and jsonl: hand-made cases and the real folders."""

import bz2
import gzip
import json
import re
import shutil
import zipfile

import polars as pl
import pytest
from helpers import rows, write_lines

from sad import importers
from sad.build import folder
from sad.build.pipeline import build
from sad.build.settings import preset
from sad.build.sources import ThreadFolder
from sad.errors import DataError, LabelError
from sad.validate import checks

KEY = b"k" * 32
NOISE = {
    "DeltaBot": r"(?i)confirm(?:ed|ation): (?:\d+ )?deltas? awarded|DB3PARAMS|delta has been rejected",
    "award tokens": r"(?i)!delta|∆|Δ|&#8710|\bdeltas? (?:has been |was )?(?:awarded|given)\b",
    "footnote": r"(?i)hello, users of cmv|footnote from (?:the cmv|your) mod|happy cmving",
    "removal": r"(?i)^\[(?:removed|deleted)\]$|your (?:comment|submission|post) has been removed",
    "link": r"(?i)https?://|\bwww\.|\]\(\s*\)",
    "quote": r"(?m)^\s*(?:>|&gt;)",
    "edit": r"(?im)^(?:edit|update)\s*\d*\s*:",
    "entity": r"&(?:amp|gt|lt|nbsp|quot|#x?\w+);",
    "zero width": "[\u200b\u200c\u200d\ufeff]",
    "user name": r"(?i)(?:^|\s)/?u/[\w-]{3,}",
}


def _import(form, source, tmp_path):
    counts = importers.run(form, source, tmp_path / "threads")
    names = ("submissions", "comments", "outcome", "labels")
    tables = {n: pl.read_parquet(tmp_path / "threads" / f"{n}.parquet") for n in names}
    return counts, tables


@pytest.fixture(scope="module")
def real_threads(real_data, tmp_path_factory):
    """Form -> thread folder of each real source of CMV texts."""
    home = tmp_path_factory.mktemp("real")
    sources = {"priniski": "cmv-priniski", "op_posts": "cmv-op-posts-2025",
               "modes": "cmv-modes", "tree": "cmv-trees-naslab"}  # fmt: skip
    for form, name in sources.items():
        importers.run(form, real_data / name, home / form)
    return {form: home / form for form in sources}


@pytest.mark.parametrize("form", ["priniski", "op_posts", "modes", "tree"])
def test_no_noise_is_left_in_any_real_text(real_threads, form, tmp_path):
    settings = preset("paper").model_copy(update={"window": None, "min_turns": 1})
    build(ThreadFolder(real_threads[form]), tmp_path / "b", settings, KEY)
    texts = folder.read(tmp_path / "b", "utterances")["text"]
    titles = folder.read(tmp_path / "b", "dialogues")["topic"]
    assert len(texts) >= 100
    found = {
        what: text
        for what, pattern in NOISE.items()
        for text in [*texts, *titles]
        if re.search(pattern, text)
    }
    assert found == {}
    assert not [t for t in titles if re.search(r"(?i)^\W*cmv\b|\bcmv\W*$", t)]


@pytest.mark.parametrize("form", ["priniski", "op_posts", "modes", "tree"])
@pytest.mark.parametrize("rules", ["paper", "none"])
@pytest.mark.parametrize(
    "change",
    [{}, {"include_post": False}, {"on_fail": "drop_path"}, {"max_turns": 4, "max_paths": 3}],
    ids=str,
)
def test_real_builds_keep_every_promise(real_threads, form, rules, change, tmp_path):
    settings = preset(rules).model_copy(update={"min_turns": 1, "window": None, **change})
    counts = build(ThreadFolder(real_threads[form]), tmp_path / "b", settings, KEY)
    assert not [name for name, fault in checks(tmp_path / "b") if fault]
    dropped = pl.read_parquet(tmp_path / "b/.run/dropped")
    kept = folder.read(tmp_path / "b", "utterances")["utterance_id"].to_list()
    nodes = counts["threads"]["submissions"] + counts["threads"]["comments"]
    everything = [*kept, *dropped["node_id"]]
    assert len(everything) == len(set(everything)) == nodes


def test_topic_groups_of_all_real_titles(real_threads, tmp_path):
    tables = {
        name: pl.concat(
            [pl.read_parquet(path / f"{name}.parquet") for path in real_threads.values()]
        )
        for name in ("submissions", "comments", "outcome", "labels")
    }
    from sad.build.frames import write_threads

    write_threads(tmp_path / "all", tables)
    counts = build(ThreadFolder(tmp_path / "all"), tmp_path / "b", preset("none"), KEY)
    # The two collections share posts of 2017; beyond them hardly any two titles are alike.
    assert counts["splits"]["largest_topic_group"] <= 3
    topics = folder.read(tmp_path / "b", "dialogues").select("thread_id", "topic", "topic_group")
    groups = (
        topics.unique().group_by("topic_group").agg("topic").filter(pl.col("topic").list.len() > 1)
    )
    assert 10 <= groups.height <= 40
    assert not [fault for _, fault in checks(tmp_path / "b") if fault]


def test_priniski_counts_are_those_of_its_readme(real_threads, real_data, tmp_path):
    counts = importers.run("priniski", real_data / "cmv-priniski", tmp_path / "t")
    assert counts["submissions"] == 525
    assert (counts["chains"], counts["confirmed"], counts["rejected"]) == (1489, 1487, 2)
    assert counts["comments"] + counts["shared"] == 6178
    assert counts["awards_to_post"] == 2
    comments = pl.read_parquet(tmp_path / "t" / "comments.parquet")
    assert comments["link_id"].n_unique() == 525 - 115


def _award_chains(real_data):
    """(texts above and with the winner, won?) of each chain, read again without the importer."""
    with gzip.open(real_data / "cmv-priniski" / "delta_chains.jsonl.gz", "rt") as file:
        for line in file:
            chain = json.loads(line)
            if len(chain["texts"]) > 2:
                path = (chain["post_row"], *chain["texts"][:-2])
                yield path, not chain["texts"][-1].startswith("This delta has been rejected")


def test_priniski_outcomes_are_its_award_chains(real_threads, real_data, tmp_path):
    expected = {}
    for path, won in _award_chains(real_data):
        expected[path] = expected.get(path, False) or won
    build(ThreadFolder(real_threads["priniski"]), tmp_path / "b", preset("none"), KEY)
    table = folder.read(tmp_path / "b", "utterances")
    by_id = {row["utterance_id"]: row for row in table.iter_rows(named=True)}

    def path(row):
        texts = []
        while row["parent_id"]:
            texts.append(row["text"])
            row = by_id[row["parent_id"]]
        return (int(row["utterance_id"].removeprefix("t3_p")), *texts[::-1])

    known = table.filter(pl.col("delta").is_not_null())
    assert {path(row): row["delta"] for row in known.iter_rows(named=True)} == expected
    assert sum(expected.values()) > 1000


def test_modes_outcomes_are_its_folders(real_threads, real_data, tmp_path):
    build(ThreadFolder(real_threads["modes"]), tmp_path / "b", preset("none"), KEY)
    found = dict(rows(folder.read(tmp_path / "b", "utterances"), "utterance_id", "delta"))
    won = {name for name, delta in found.items() if delta}
    expected = set()
    for path in (real_data / "cmv-modes" / "original" / "positive").glob("[0-9]*.xml"):
        text = path.read_text(errors="replace")
        op = re.search(r'<OP author="([^"]*)"', text)[1]
        turns = re.findall(r'<reply id="(\w+)" author="([^"]*)"', text)
        expected.add("t1_" + [name for name, author in turns if author != op][-1])
    assert won == expected


def test_priniski_sheets_give_the_same_as_their_copies(real_threads, real_data, tmp_path):
    source = tmp_path / "sheets"
    shutil.copytree(real_data / "cmv-priniski", source, ignore=shutil.ignore_patterns("*.gz"))
    importers.run("priniski", source, tmp_path / "t")
    for name in ("submissions", "comments", "outcome", "labels"):
        one, other = (p / f"{name}.parquet" for p in (tmp_path / "t", real_threads["priniski"]))
        assert one.read_bytes() == other.read_bytes()


def test_priniski_chains_share_what_they_share(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    post = {
        "post_row": 0,
        "title": "CMV: x",
        "selftext": "y",
        "num_comments": "9",
        "created_utc": 5,
    }
    chains = [
        ["a", "b", "thanks", "Confirmed: 1 delta awarded to /u/w"],
        ["a", "c", "no", "This delta has been rejected. Why"],
        ["award to the post", "Confirmed: 1 delta awarded to /u/op"],
    ]
    lines = [{"post_row": 0, "chain": i, "texts": texts} for i, texts in enumerate(chains)]
    for name, found in (("posts", [post]), ("delta_chains", lines)):
        raw = "".join(json.dumps(row) + "\n" for row in found).encode()
        (source / f"{name}.jsonl.gz").write_bytes(gzip.compress(raw))
    counts, tables = _import("priniski", source, tmp_path)
    assert (counts["shared"], counts["comments"], counts["awards_to_post"]) == (1, 9, 1)
    assert rows(tables["outcome"], "comment_id", "delta", "by") == [
        ("p0c0n1", True, None), ("p0c1n1", False, None),
    ]  # fmt: skip
    assert rows(tables["submissions"], "id", "num_comments", "created_utc") == [("p0", 9, 5)]
    authors = dict(rows(tables["comments"], "id", "author"))
    assert {name for name, author in authors.items() if author} == {"p0c0n3", "p0c1n3", "p0c2n1"}
    (source / "posts.jsonl.gz").write_bytes(gzip.compress(b'{"post_row": 0}\n'))
    with pytest.raises(DataError, match=r"posts\.jsonl\.gz, line 1"):
        importers.run("priniski", source, tmp_path / "x")


def test_sheet_with_entities_is_refused(tmp_path):
    path = tmp_path / "top_Jan-12_CMV.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>")
    with pytest.raises(DataError, match="document type"):
        importers.run("priniski", tmp_path, tmp_path / "t")
    path.write_text("no zip")
    with pytest.raises(DataError, match="readable Excel"):
        importers.run("priniski", tmp_path, tmp_path / "t")


def _sheet(path, xml, **more):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", xml, **more)
    return path


HOSTILE = {
    "entity in UTF-16": '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "b">]><x/>'.encode("utf-16"),
    "other encoding": b'<?xml version="1.0" encoding="UTF-7"?><x/>',
    "far column": b'<x xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><row><c r="ZZZZZ1"/></row></x>',
    "string without a table": b'<x xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><row><c t="s"><v>-1</v></c></row></x>',
    "no XML": b"{}",
    "nothing in it": b'<x xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"/>',
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_sheet_is_refused(tmp_path, what):
    _sheet(tmp_path / "top_Jan-12_CMV.xlsx", HOSTILE[what])
    with pytest.raises(DataError):
        importers.run("priniski", tmp_path, tmp_path / "t")


@pytest.mark.parametrize("form", ["priniski", "op_posts"])
def test_damaged_archive_is_refused(tmp_path, form):
    name = {"priniski": "top_Jan-12_CMV.xlsx", "op_posts": "op_df.csv.zip"}[form]
    path = tmp_path / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", "<x>" + "abc" * 999)
        archive.writestr("op_df.csv", "original_post" + "abc" * 999)
    raw = bytearray(path.read_bytes())
    for start in (m.start() for m in re.finditer(rb"PK\x03\x04", raw)):
        raw[start + 60 : start + 66] = b"\xff" * 6
    path.write_bytes(raw)
    with pytest.raises(DataError):
        importers.run(form, tmp_path, tmp_path / "t")


@pytest.mark.parametrize("texts", ["abc", [1, 2], [None]])
def test_chains_that_are_no_lists_of_texts_are_refused(tmp_path, texts):
    post = {"post_row": 0, "title": "x", "selftext": "y", "num_comments": 1, "created_utc": 5}
    for name, row in (
        ("posts", post),
        ("delta_chains", {"post_row": 0, "chain": 0, "texts": texts}),
    ):
        (tmp_path / f"{name}.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode()))
    with pytest.raises(DataError, match=r"delta_chains\.jsonl\.gz, line 1"):
        importers.run("priniski", tmp_path, tmp_path / "t")


@pytest.mark.parametrize("form", ["jsonl", "webis", "op_posts", "priniski", "modes", "tree"])
def test_source_that_is_not_there_is_told(tmp_path, form):
    with pytest.raises(DataError, match="nowhere"):
        importers.run(form, tmp_path / "nowhere", tmp_path / "t")


def test_op_posts_of_the_real_folder(real_data, tmp_path):
    counts, tables = _import("op_posts", real_data / "cmv-op-posts-2025", tmp_path)
    assert counts["submissions"] == 400
    assert tables["submissions"].select("title", "selftext").null_count().row(0) == (0, 0)


def test_op_posts(tmp_path):
    csv = tmp_path / "op_df.csv"
    csv.write_text('original_post,x\n"CMV: one\r\nbody, two\nlines",1\n"CMV: only a title",2\n,3\n')
    for source in (csv, tmp_path):
        shutil.rmtree(tmp_path / "threads", ignore_errors=True)
        _, tables = _import("op_posts", source, tmp_path)
        assert rows(tables["submissions"], "id", "title", "selftext") == [
            ("o0", "CMV: one", "body, two\nlines"), ("o1", "CMV: only a title", None), ("o2", None, None),
        ]  # fmt: skip
    csv.write_text("other\n1\n")
    with pytest.raises(DataError, match="original_post"):
        importers.run("op_posts", csv, tmp_path / "x")


THREAD = {
    "id": "t3_p", "title": "CMV: x", "selftext": "text", "author": "op", "created_utc": "1500000000",
    "delta": True,
    "comments": [
        {"id": "a", "body": "one", "author": "x", "parent_id": "t3_p", "created_utc": 1.5e9, "delta": True,
         "children": [{"id": "t1_b", "body": "two", "parent_id": 5, "children": [], "author": None}]},
        {"body": "no id", "children": [{"id": "lost"}]},
        "no object",
    ],
}  # fmt: skip


def test_webis(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    second = {
        "id": "q",
        "body": "as body",
        "delta": False,
        "comments": [{"id": "c", "parent_id": "t3_q"}],
    }
    lines = [json.dumps(THREAD), "{broken", "", json.dumps(second), '{"title": "no id"}']
    (source / "threads.jsonl.bz2").write_bytes(bz2.compress("\n".join(lines).encode()))
    pair = {"submission": {"id": "p"}, "delta_comment": {"comments": [{"id": "b"}]},
            "nodelta_comment": {"comments": [{"id": "n"}, {"id": "o"}]}}  # fmt: skip
    write_lines(source / "pairs.jsonl", [pair])
    counts, tables = _import("webis", source, tmp_path)
    assert counts["bad_json"] == counts["blank"] == 1
    assert (counts["no_id"], counts["below_no_id"], counts["no_object"]) == (2, 1, 1)
    assert rows(tables["comments"], "id", "link_id", "parent_id", "created_utc") == [
        ("a", "t3_p", "t3_p", 1500000000), ("b", "t3_p", "t1_a", None), ("c", "t3_q", "t3_q", None),
    ]  # fmt: skip
    assert rows(tables["submissions"], "id", "selftext") == [("p", "text"), ("q", "as body")]
    assert rows(tables["outcome"], "comment_id", "delta", "by") == [
        ("a", True, None), ("b", True, "op"), ("c", False, None), ("n", False, None),
    ]  # fmt: skip


def test_webis_without_a_thread_is_refused(tmp_path):
    (tmp_path / "threads.jsonl").write_text("no json\n")
    with pytest.raises(DataError, match=r"threads\.jsonl.*no line"):
        importers.run("webis", tmp_path, tmp_path / "out")
    with pytest.raises(DataError, match="holds no"):
        (tmp_path / "empty").mkdir()
        importers.run("webis", tmp_path / "empty", tmp_path / "out")


def test_jsonl(tmp_path):
    source = write_lines(
        tmp_path / "forum.jsonl",
        [
            {"id": 1, "title": "A", "text": "post", "author": "op", "time": "2017-07-14T02:40:00Z"},
            {"id": "1", "parent": 1, "thread": 1, "text": "same name as its post", "delta": True, "delta_by": "op"},
            {"id": "b", "parent": "1", "thread": "1", "text": "x", "time": "1500000000.5", "stance": "oppose"},
            {"id": "c", "parent": "b", "text": "y", "strategies": ["Statement", "Question"], "extra": {}},
            {"id": "d", "parent": "gone", "text": "orphan"},
            {"id": "g", "parent": "t3_1", "text": "to the post", "strategies": []},
            {"id": "e", "parent": "f"},
            {"id": "f", "parent": "e"},
            {"id": "h", "parent": 1.0, "thread": 1.0, "text": "as pandas writes it"},
            {"id": "i", "parent": {"a": 1}},
            {"text": "no id"},
        ],
    )  # fmt: skip
    source.write_text(source.read_text() + "broken\n\n")
    counts, tables = _import("jsonl", source, tmp_path)
    assert (counts["no_id"], counts["bad_json"], counts["blank"]) == (1, 1, 1)
    assert rows(tables["submissions"], "id", "created_utc") == [("1", 1500000000)]
    assert rows(tables["comments"], "id", "link_id", "parent_id") == [
        ("1", "t3_1", "t3_1"), ("b", "t3_1", "t1_1"), ("c", "t3_1", "t1_b"),
        ("d", None, "t3_gone"), ("e", None, "t1_f"), ("f", None, "t1_e"), ("g", "t3_1", "t3_1"),
        ("h", "t3_1", "t1_1"),
    ]  # fmt: skip
    assert rows(tables["outcome"], "comment_id", "delta", "by") == [("1", True, "op")]
    assert rows(tables["labels"], "utterance_id", "stance", "strategies") == [
        ("t1_b", 0, None), ("t1_c", None, ["Question", "Statement"]), ("t1_g", None, []),
    ]  # fmt: skip
    built = build(ThreadFolder(tmp_path / "threads"), tmp_path / "b", preset("none"), KEY)
    assert built["threads"]["dropped"]["missing_submission"] == 3


@pytest.mark.parametrize(
    "wrong", [{"stance": "maybe"}, {"stance": 2}, {"strategies": ["Irony"]}, {"strategies": "Q"}]
)
def test_jsonl_labels_outside_the_closed_set_are_refused(tmp_path, wrong):
    source = write_lines(tmp_path / "x.jsonl", [{"id": 1}, {"id": 2, "parent": 1, **wrong}])
    with pytest.raises(LabelError, match=r"x\.jsonl, line 2"):
        importers.run("jsonl", source, tmp_path / "out")
