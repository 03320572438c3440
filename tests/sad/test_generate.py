"""Made-up dumps: their bytes, their shape, and a build that finds what was planted."""

import io
import json
import re
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import zstandard

from sad.build.pipeline import build
from sad.build.settings import PRESETS, BuildSettings, preset
from sad.build.sources import Dumps
from sad.errors import SettingsError
from sad.files import read_json
from sad.sample import _shape
from sad.sample._expected import Planted, Tally
from sad.sample._plants import Kind, inners, kinds
from sad.sample._text import FUNCTION_WORDS, Pool, Prose
from sad.sample.generate import generate

KEY = b"0123456789abcdef"
FIELDS = ("id", "author", "body", "selftext", "title", "link_id", "parent_id", "created_utc")


def _raw(path):
    with path.open("rb") as file:
        return zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file).read()


def _lines(path):
    return pl.read_ndjson(io.BytesIO(_raw(path)), schema=dict.fromkeys(FIELDS, pl.String))


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    generate(folder, 20_000, 5, noise=0)
    return folder


@pytest.fixture(scope="module")
def prose():
    return Prose(Pool(), np.random.default_rng(0))


@pytest.mark.parametrize("noise", [0, 0.2, 1])
def test_build_counts_what_was_planted(tmp_path, noise):
    expected = generate(tmp_path, 5_000, 4, noise)
    assert read_json(tmp_path / "expected.json") == expected
    assert set(expected) == set(PRESETS)
    source = Dumps((tmp_path / "RS.zst",), (tmp_path / "RC.zst",))
    for rules, counts in expected.items():
        assert build(source, tmp_path / rules, preset(rules), KEY) == counts


def test_every_rule_and_every_step_has_work(tmp_path):
    damaged = generate(tmp_path / "damaged", 20_000, 1, 1.0)["paper"]["read"]
    assert all(damaged[name] for name in ("nul", "undecodable"))
    assert all(damaged["dropped"][name] for name in ("blank", "bad_json", "no_id"))
    counts = generate(tmp_path / "more", 20_000, 1, 0.4)["paper"]
    rules = {*BuildSettings().drop, "pruned", "window"}
    assert set(counts["nodes"]["dropped"]) == rules
    assert all(counts["nodes"]["changed"].values())
    assert counts["read"]["dropped"]["other_subreddit"]
    assert all(counts["threads"]["dropped"].values())
    repeats = ("duplicate_dialogue", "duplicate_target", "near_duplicate_target")
    assert all(counts["paths"]["dropped"][name] for name in repeats)
    assert counts["utterances"]["matched_pairs"]
    assert counts["splits"]["largest_topic_group"] > 1


def test_no_noise_means_that_everything_is_kept(clean):
    counts = read_json(clean / "expected.json")["paper"]
    for stage in counts.values():
        assert stage["kept"] == stage["seen"]
    assert not any(counts["nodes"]["changed"].values())


@pytest.mark.parametrize("nodes", [1, 2, 3, 1_000, 5_003])
def test_so_many_nodes_are_in_trees(tmp_path, nodes):
    for noise in (0, 1):
        counts = generate(tmp_path, nodes, 3, noise)["none"]
        assert counts["threads"]["kept"] == counts["nodes"]["kept"] == nodes
        assert counts["threads"]["submissions"] + counts["threads"]["comments"] - sum(
            counts["threads"][name] for name in ("missing_submission", "cycles", "orphans")
        ) == nodes  # fmt: skip


def test_bytes_depend_on_the_arguments_alone(tmp_path):
    made = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate(tmp_path / name, 3_000, seed)
        made[name] = [(tmp_path / name / f).read_bytes() for f in ("RS.zst", "RC.zst")]
        made[name].append((tmp_path / name / "expected.json").read_bytes())
        assert len(list((tmp_path / name).iterdir())) == 3
    assert made["a"] == made["b"]
    assert all(x != y for x, y in zip(made["a"], made["c"], strict=True))


def test_bodies_differ_and_dumps_compress_like_real_ones(clean):
    bodies = _lines(clean / "RC.zst")["body"]
    assert bodies.n_unique() / len(bodies) > 0.999
    for name in ("RC.zst", "RS.zst"):
        assert 3 < len(_raw(clean / name)) / (clean / name).stat().st_size < 8


def test_bodies_have_the_lengths_of_real_ones(clean):
    words = _lines(clean / "RC.zst")["body"].str.count_matches(r"\S+")
    assert words.min() >= 10
    assert 55 < words.median() < 75  # cmv-trees: 63; cmv-modes: 77
    assert 85 < words.mean() < 115
    assert words.max() < 1_700
    posts = _lines(clean / "RS.zst")["selftext"].str.count_matches(r"\S+")
    assert 210 < posts.median() < 300  # cmv-priniski: 251; cmv-modes: 265


def test_dump_is_one_frame_with_a_window_of_two_gibibytes(clean):
    for name in ("RC.zst", "RS.zst"):
        head = (clean / name).read_bytes()[:18]
        assert zstandard.get_frame_parameters(head).window_size == 2**31
        assert len(_raw(clean / name).splitlines()) == len(_lines(clean / name))


def test_lines_have_the_fields_of_their_period_once_each(tmp_path):
    generate(tmp_path, 3_000, 1, noise=0)
    for name in ("RC.zst", "RS.zst"):
        assert _raw(tmp_path / name).isascii()
        for line in _raw(tmp_path / name).splitlines():
            pairs_ = json.loads(line, object_pairs_hook=list)
            row = dict(pairs_)
            assert len(row) == len(pairs_)
            assert {"id", "author", "score", "edited", "distinguished", "subreddit_id"} <= set(row)
            time, created = row["created_utc"], int(float(row["created_utc"]))
            old, late = created < 1_475_280_000, created >= 1_590_969_600
            assert type(time) is (str if old else float if late else int)
            assert ("retrieved_utc" in row) == late != ("retrieved_on" in row)
            assert len(row) >= (14 if created < 1_509_494_400 else 25)
            if name == "RC.zst":
                assert ("is_submitter" in row) == (created >= 1_509_494_400)
            else:
                assert ("removed_by_category" in row) == (created >= 1_546_300_800)


def test_ids_are_unique_and_rise_with_time(clean):
    for name, length in (("RC.zst", 7), ("RS.zst", 6)):
        lines = _lines(clean / name)
        assert set(lines["id"].str.len_chars()) == {length}
        assert all(a < b for a, b in pairwise(lines["id"]))
        times = lines["created_utc"].cast(pl.Float64)
        assert times.is_sorted()


def test_comments_follow_their_parents_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("sad.sample._maker.BLOCK", 400)
    generate(tmp_path, 4_000, 2, noise=0, nodes_per_tree=30)
    lines, posts = _lines(tmp_path / "RC.zst"), _lines(tmp_path / "RS.zst")
    assert all(a < b for a, b in pairwise(lines["id"]))
    parents = lines["parent_id"].str.strip_prefix("t1_").str.strip_prefix("t3_")
    assert all(p < own for p, own in zip(parents, lines["id"], strict=True) if len(p) == 7)
    assert set(parents) <= {*lines["id"], *posts["id"]}
    assert len(lines) + len(posts) == 4_000


@pytest.mark.parametrize("noise", [0, 1])
def test_texts_repeated_from_the_block_before_are_found(tmp_path, monkeypatch, noise):
    monkeypatch.setattr("sad.sample._maker.BLOCK", 500)
    expected = generate(tmp_path, 4_000, 7, noise, nodes_per_tree=20)
    source = Dumps((tmp_path / "RS.zst",), (tmp_path / "RC.zst",))
    assert build(source, tmp_path / "b", preset("paper"), KEY) == expected["paper"]


@pytest.mark.parametrize("mean", [2, 8, 61, 660])
def test_trees_have_the_mean_size_asked_for(mean):
    size = _shape.sizes(np.random.default_rng(1), 2_000_000, 2_000_000, mean)
    assert size.sum() == 2_000_000
    assert size.min() >= 2
    assert abs(size.mean() / mean - 1) < 0.06


def test_trees_have_the_shape_of_the_real_one():
    rng = np.random.default_rng(2)
    parent = _shape.parents(rng, np.full(300, 130))
    depth = _shape.sums(parent, (parent >= 0).astype(np.int64)).reshape(300, 130)
    has_reply = np.bincount(parent[parent >= 0], minlength=len(parent)) > 0
    # cmv-trees, 130 nodes: 25 % leaves, greatest depth 18, mean depth 5.6, 8 top-level comments
    assert 0.2 < 1 - has_reply.mean() < 0.32
    assert 14 < depth.max(1).mean() < 20
    assert 4.5 < depth.mean() < 7
    assert 5 < (depth == 1).sum(1).mean() < 13
    assert (parent < np.arange(len(parent))).all()


def test_great_trees_are_not_much_deeper():
    parent = _shape.parents(np.random.default_rng(3), np.array([100_000]))
    depth = _shape.sums(parent, (parent >= 0).astype(np.int64))
    assert 18 < depth.max() < 90


def test_paths_of_a_monstrous_tree_are_capped_shortest_first():
    # post - a - b and post - c: paths of three and two turns
    parent = np.array([-1, 0, 1, 0])
    planted = Planted(
        np.zeros(4, np.int64), 1, parent, np.array([0, 1, 2, 1]), np.zeros(4, np.int8),
        np.zeros(4, np.int64), np.arange(4),
    )  # fmt: skip
    for most, ends in ((5, [2, 3]), (4, [3]), (1, [3])):
        settings = preset("paper").model_copy(update={"max_path_turns": most})
        assert np.flatnonzero(Tally(settings).walk(planted).ends).tolist() == ends


def test_any_chain_of_fragments_is_english_without_doubled_words(prose):
    for text in prose.texts:
        words = re.findall(r"\S+", text.lower())
        assert words[-1].strip(",") not in FUNCTION_WORDS, text
        assert 2 <= len(words) <= 7, text
        assert sum(word.strip(",") in FUNCTION_WORDS for word in words) / len(words) >= 0.25, text


def test_kinds_and_marks_are_of_many_sorts(prose):
    found = kinds(prose, np.random.default_rng(0))
    assert found["prose"] == Kind()
    assert {kind.rule for kind in found.values()} >= {"bot", "moderator", "language", "symbols"}
    assert len(inners(prose, np.random.default_rng(0))) >= 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"nodes": 0}, {"seed": -1}, {"noise": 1.5}, {"noise": -0.1}, {"noise": float("nan")},
        {"nodes_per_tree": 1.9}, {"nodes_per_tree": float("nan")},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(tmp_path, wrong):
    with pytest.raises(SettingsError, match="give"):
        generate(tmp_path / "out", **({"nodes": 10, "seed": 1} | wrong))
    assert not (tmp_path / "out").exists()


def test_progress_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("sad.sample._maker.BLOCK", 300)
    told = []
    generate(tmp_path, 1_000, 1, on_progress=lambda *done: told.append(done))
    assert told[-1] == (1_000, 1_000)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len(told) > 1
