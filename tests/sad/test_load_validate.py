import shutil

import datasets
import polars as pl
import pytest
from helpers import post, reply, tree_bytes, write_lines

import sad.load
from sad import sample
from sad.build import folder, labels
from sad.build.frames import write_parquet
from sad.build.pipeline import build
from sad.build.settings import preset
from sad.build.sources import Dumps
from sad.errors import DataError
from sad.types import Strategy
from sad.validate import checks


@pytest.fixture(autouse=True)
def _offline(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def _sizes(loaded):
    return {split: len(rows) for split, rows in loaded.items()}


def test_labelled_folder_loads_by_default_as_examples(gold_sample):
    loaded = datasets.load_dataset(str(gold_sample))
    assert _sizes(loaded) == {"train": 51, "validation": 19, "test": 35}
    example = loaded["test"][0]
    assert set(example) == set(folder.EXAMPLES)
    assert set(example["history"][0]) == {"stance", "text", "strategies"}


@pytest.mark.parametrize("table", ["dialogues", "utterances", "examples"])
def test_every_table_loads_and_streams(gold_sample, table):
    loaded = datasets.load_dataset(str(gold_sample), table)
    streamed = datasets.load_dataset(str(gold_sample), table, streaming=True)
    for split, rows_ in loaded.items():
        assert list(streamed[split]) == list(rows_)


def test_unlabelled_folder_loads_as_dialogues(built_sample):
    assert "utterance_ids" in datasets.load_dataset(str(built_sample))["train"].features


def test_sad_load(gold_sample):
    assert _sizes(sad.load.load(gold_sample)) == {"train": 51, "validation": 19, "test": 35}
    assert sad.load.load(gold_sample, "utterances")["train"].num_rows == 421


def test_sad_load_of_the_sample_needs_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("SAD_CACHE", str(tmp_path / "cache"))
    for _ in range(2):  # the second time from the cache
        assert sad.load.load("sample")["test"].num_rows == 35


@pytest.mark.parametrize("table", ["examples", "nonsense"])
def test_sad_load_says_what_is_missing(built_sample, table):
    with pytest.raises((DataError, ValueError), match=r"label|nonsense"):
        sad.load.load(built_sample, table)


def test_sad_load_of_no_folder(tmp_path):
    with pytest.raises(DataError, match="not a folder"):
        sad.load.load(tmp_path / "nothing")


def test_single_thread_has_empty_splits_that_load(tmp_path):
    dump = Dumps(
        (write_lines(tmp_path / "RS", [post()]),),
        (write_lines(tmp_path / "RC", [reply("a", "p")]),),
    )
    build(dump, tmp_path / "b", preset("paper"), b"k" * 32)
    labels.apply(tmp_path / "b", _all_statements(tmp_path / "b"), {})
    assert list(_sizes(datasets.load_dataset(str(tmp_path / "b"))).values()) == [1]


def _all_statements(path):
    names = folder.read(path, "utterances")["utterance_id"]
    one = {"stance": None, "strategies": ["Statement"], "strategy_mask": 16, "spans": [],
           "label_source": "test"}  # fmt: skip
    return pl.DataFrame([{"utterance_id": n, **one} for n in names], schema=labels.LABELS)


def test_labels_must_cover_the_folder(built_sample, tmp_path):
    shutil.copytree(built_sample, tmp_path / "b")
    with pytest.raises(DataError, match="1 utterances have no label"):
        labels.apply(tmp_path / "b", _all_statements(built_sample)[1:], {})
    assert not folder.is_labelled(tmp_path / "b")


def test_labels_again_give_the_same_bytes(gold_sample, tmp_path):
    shutil.copytree(gold_sample, tmp_path / "b")
    labels.apply(tmp_path / "b", sample.gold_labels(), {"method": "gold"})
    for path in gold_sample.rglob("*"):
        if path.is_file() and ".run" not in path.parts:
            assert (
                path.read_bytes() == (tmp_path / "b" / path.relative_to(gold_sample)).read_bytes()
            )


def test_labels_do_not_depend_on_those_before_them(built_sample, gold_sample, tmp_path):
    """A label table without stances falls back to the build's, never to an earlier table's."""
    for name, start in (("fresh", built_sample), ("again", gold_sample)):
        shutil.copytree(start, tmp_path / name)
        labels.apply(tmp_path / name, _all_statements(start), {})
    assert tree_bytes(tmp_path / "again") == tree_bytes(tmp_path / "fresh")


def test_labelling_killed_half_way_leaves_an_unlabelled_folder(gold_sample, tmp_path, monkeypatch):
    shutil.copytree(gold_sample, tmp_path / "b")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(labels, "_write_examples", stop)
    with pytest.raises(KeyboardInterrupt):
        labels.apply(tmp_path / "b", _all_statements(tmp_path / "b"), {})
    assert not folder.is_labelled(tmp_path / "b")
    assert "utterance_ids" in datasets.load_dataset(str(tmp_path / "b"))["test"].features


def _faults(path):
    return [name for name, fault in checks(path) if fault]


def test_samples_keep_every_promise(built_sample, gold_sample):
    assert _faults(built_sample) == []
    assert _faults(gold_sample) == []


def _edit(path, table, split, change):
    file = folder.shard(path, table, split, 0, 1)
    write_parquet(change(pl.read_parquet(file)), file)


FIRST = pl.int_range(pl.len()) == 0


LAST = pl.int_range(pl.len()) == pl.len() - 1


def _set(column, value, where=FIRST):
    return lambda rows_: rows_.with_columns(
        pl.when(where).then(value).otherwise(pl.col(column)).alias(column)
    )


BREAKS = {
    ("doubled utterance", "ids are unique"): ("utterances", "train", lambda r: pl.concat([r, r[:1]])),
    ("lost utterance", "every utterance is a turn"): ("utterances", "train", lambda r: r[1:]),
    ("lost column", "columns and types"): ("utterances", "train", lambda r: r.drop("speaker").with_columns(speaker=1)),
    ("mask", "equal their mask"): ("utterances", "train", _set("strategy_mask", pl.lit(0, pl.UInt8))),
    ("stance", "Stances are 0, 1 or missing"): ("utterances", "train", _set("stance", pl.lit(2, pl.UInt8))),
    ("span outside", "Spans lie inside"): ("utterances", "train", _set("text", pl.lit("x"))),
    ("order of labels", "canonical order"): (
        "utterances", "train",
        lambda r: r.with_columns(strategies=pl.col("strategies").list.reverse()),
    ),
    ("lost parent", "Only posts lack a parent"): ("utterances", "train", _set("parent_id", pl.lit(None, pl.String), LAST)),
    ("wrong split", "holds only that split"): ("dialogues", "test", _set("split", pl.lit("train"))),
    ("reversed turns", "run downwards from the post"): (
        "dialogues", "test",
        lambda r: r.with_columns(utterance_ids=pl.col("utterance_ids").list.reverse()),
    ),
    ("topic group in two splits", "No topic group is in two splits"): (
        "dialogues", "test",
        lambda r: r.with_columns(topic_group=pl.lit("one"), split=pl.when(FIRST).then(
            pl.lit("train")).otherwise("split")),
    ),
    ("rank", "Ranks number"): ("dialogues", "test", _set("rank", pl.lit(9999))),
    ("award", "Who awarded a delta"): ("utterances", "train", _set("delta_by", pl.lit("op"))),
    ("confidence", "confidences between 0 and 1"): ("utterances", "train", _set("stance_confidence", pl.lit(1.5))),
    ("pair", "Pairs join"): ("pairs", "train", _set("lost_id", pl.col("won_id"))),
    ("other target", "same last turn"): ("examples", "test", _set("target", pl.lit("x"))),
    ("lost example", "same ids"): ("examples", "test", lambda r: r[1:]),
}  # fmt: skip


@pytest.mark.parametrize(("name", "promise"), BREAKS)
def test_broken_promise_is_found(gold_sample, tmp_path, name, promise):
    shutil.copytree(gold_sample, tmp_path / "b")
    _edit(tmp_path / "b", *BREAKS[name, promise])
    assert [fault for fault in _faults(tmp_path / "b") if promise in fault], name


def test_strategies_and_masks_agree(gold_sample):
    for labels_, mask in (
        folder.read(gold_sample, "utterances").select("strategies", "strategy_mask").iter_rows()
    ):
        assert Strategy.from_labels(labels_).value == mask
