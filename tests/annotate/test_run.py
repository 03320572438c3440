"""Votes on built folders: the same however they are cast, and whatever stops it."""

import html
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import lru_cache

import polars as pl
import psutil
import pytest
from helpers import tree_bytes, write_lines

from annotate import run, votes
from annotate.labeller import Label, Side
from annotate.run import label_folder
from sad import sample
from sad.build import folder, pipeline
from sad.build.engine import Execution
from sad.build.settings import resolve
from sad.errors import DataError, ModelError, SettingsError, WorkerError
from sad.settings import read_yaml
from sad.types import Span, Stance, Strategy

SHARDS = 3


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sample in three shards; labelling them needs no workers."""
    out = tmp_path_factory.mktemp("shards") / "built"
    settings = resolve("paper", read_yaml(sample.SETTINGS), ["shard_rows=200"])
    pipeline.build(sample.DUMPS, out, settings, b"k" * 32)
    assert len(folder.files(out, "utterances")) == SHARDS <= run._FEW
    return out


@pytest.fixture
def here(tmp_path, built):
    return shutil.copytree(built, tmp_path / "built")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, built):
    """The bytes of the folder with the votes of ``stance_rules``."""
    out = shutil.copytree(built, tmp_path_factory.mktemp("labelled") / "built")
    paths = label_folder(out, "stance_rules")
    assert [path.name for path in paths] == [
        f"stance_rules-0000{n}-of-0000{SHARDS}.parquet" for n in range(SHARDS)
    ]
    return tree_bytes(out)


class Recorder:
    """Answers what it is told, and keeps what it was asked."""

    name, source, kind, alone = "recorder", "model", "strategies", True
    model, prompt_digest = "m1", "p1"

    def __init__(self, answer=None):
        self.asked, self.silent = [], set()
        self._answer = answer or Label(Strategy.STATEMENT, (0, 0, 0, 0, 1.0), ())

    def label(self, items):
        self.asked += items
        return (None if item.id in self.silent else self._answer for item in items)


@pytest.fixture
def use(monkeypatch):
    """Put a labeller in the place of ``stance_rules``."""

    def put(labeller):
        monkeypatch.setattr(run, "_labeller", lru_cache(1)(lambda *_: labeller))
        return labeller

    return put


def test_votes_are_what_the_labeller_says(here):
    label_folder(here, "gold")
    cast = votes.read(votes.files(here))
    gold = {line["id"]: line for line in sample.gold()}
    names = folder.read(here, "utterances")["utterance_id"].sort()
    assert cast["utterance_id"].sort().equals(names)
    for row in cast.iter_rows(named=True):
        line = gold[row["utterance_id"]]
        assert row["value"] == line["strategies"]
        assert [span["label"] for span in row["spans"]] == line["strategies"]
        assert (row["annotator"], row["source"]) == ("gold-sample", "gold")
        assert (row["confidence"], row["time"]) == (1.0, None)
    votes.check_texts(cast, votes.texts(here))


def test_topic_and_previous_turn_reach_the_labeller(here, use):
    seen = use(Recorder()).asked
    label_folder(here, "recorder")
    gold = {line["id"]: line for line in sample.gold()}
    parent = dict(folder.read(here, "utterances").select("utterance_id", "parent_id").iter_rows())
    assert len(seen) == len(parent)
    for item in seen:
        title, before = html.unescape(gold[item.id]["topic"]), parent[item.id]
        assert item.text == gold[item.id]["text"]
        assert item.topic == re.sub(r"(?i)^\W*cmv\W*|\W*cmv$", "", title)
        assert item.context == ((gold[before]["text"],) if before else ())
    assert sum(not item.context for item in seen) == 29  # the posts


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(here, labelled, workers):
    label_folder(here, "stance_rules", how=Execution(workers=workers))
    assert tree_bytes(here) == labelled


@pytest.mark.parametrize("part", [5, 100])
def test_parts_change_nothing(here, labelled, monkeypatch, part):
    monkeypatch.setattr(run, "PART", part)
    monkeypatch.setattr(run, "_FEW", 10_000)
    told = []
    label_folder(here, "stance_rules", on_progress=lambda *seen: told.append(seen))
    assert tree_bytes(here) == labelled
    heights = [pl.read_parquet(path).height for path in folder.files(here, "utterances")]
    n = sum(-(-height // part) for height in heights)
    assert told[-1] == ("label by stance_rules", n, n)


def test_shards_hold_the_votes_of_one_table(here, built_sample, tmp_path):
    whole = shutil.copytree(built_sample, tmp_path / "whole")
    (one,) = label_folder(whole, "stance_rules")
    many = label_folder(here, "stance_rules")
    assert one.name == "stance_rules.parquet"
    assert votes.read([one]).equals(votes.read(many).sort("utterance_id"))


def test_finished_votes_are_not_cast_again(here, labelled, monkeypatch):
    paths = label_folder(here, "stance_rules")
    assert "stance_rules voted on 421 utterances" in (here / ".run" / "log.txt").read_text()
    monkeypatch.setattr(run, "make", None)  # calling it would fail
    assert label_folder(here, "stance_rules") == paths
    assert tree_bytes(here) == labelled


def test_progress_is_told_within_a_rank_of_this_process(here, use, monkeypatch):
    use(Recorder())
    told, real = threading.Event(), run.make

    def make(job, unit, at):
        assert unit < 2 or told.wait(20)  # until a part of this very rank is told
        real(job, unit, at)

    monkeypatch.setattr(run, "make", make)
    label_folder(
        here,
        "recorder",
        how=Execution(tasks=1),
        on_progress=lambda _, done, of: done and told.set(),
    )
    assert votes.read(votes.files(here)).height == 421


KILLED = """
import importlib, os, pathlib, signal, sys
from annotate.run import label_folder
out, where, number, before = sys.argv[1:]
module, _, name = where.partition(":")
module, calls = importlib.import_module(module), []
real = getattr(module, name)
def struck(*given, **more):
    calls.append(name)
    found = None if before == "before" and len(calls) == int(number) else real(*given, **more)
    if len(calls) == int(number):
        os.kill(os.getpid(), signal.SIGKILL)
    return found
setattr(module, name, struck)
label_folder(pathlib.Path(out), "stance_rules")
"""


@pytest.mark.parametrize(
    ("where", "number", "before", "finished"),
    [
        ("annotate.run:put_parquet", 2, "after", 1),
        ("sad.build.units:settle", 3, "after", 3),
        ("annotate.votes:write", 2, "after", 3),
        ("annotate.run:write_json", 1, "before", 3),
        ("annotate.run:remove", 1, "before", 3),
    ],
)
def test_killed_anywhere_then_resumed(here, labelled, monkeypatch, where, number, before, finished):
    command = [sys.executable, "-c", KILLED, str(here), where, str(number), before]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    made, real = [], run.make
    monkeypatch.setattr(run, "make", lambda job, unit, at: made.append(unit) or real(job, unit, at))
    label_folder(here, "stance_rules")
    assert tree_bytes(here) == labelled
    # A unit settles while the next is made, so one more may have to be made again.
    assert SHARDS - finished <= len(made) <= SHARDS - finished + 1
    assert not (here / ".run" / "labelling").exists()


@pytest.mark.parametrize("seed", range(3))
def test_killed_command_or_worker_then_resumed(here, labelled, seed):
    rng = random.Random(seed)
    line = f"-m sad annotate label {here} --labeller stance_rules --workers 2"
    process = subprocess.Popen([sys.executable, *line.split()], stderr=subprocess.PIPE, text=True)
    time.sleep(rng.uniform(0.3, 2.5))
    family = [psutil.Process(process.pid)]
    family += [
        c for c in family[0].children(recursive=True) if "resource" not in " ".join(c.cmdline())
    ]
    rng.choice(family[seed % 2 :] or family).kill()
    err = process.communicate()[1]
    assert "Traceback" not in err
    assert process.returncode in (0, WorkerError.exit_code, -signal.SIGKILL)
    assert not psutil.wait_procs(family, timeout=5)[1]  # no worker outlives the command
    label_folder(here, "stance_rules")
    assert tree_bytes(here) == labelled


def test_stopped_work_outlives_another_labeller(here, labelled, monkeypatch):
    def stop(job, unit, at):
        if unit == 2:
            raise KeyboardInterrupt
        return real(job, unit, at)

    real = run.make
    monkeypatch.setattr(run, "make", stop)
    with pytest.raises(KeyboardInterrupt):
        label_folder(here, "stance_rules")
    monkeypatch.setattr(run, "make", real)
    label_folder(here, "gold")
    made = []
    monkeypatch.setattr(run, "make", lambda job, unit, at: made.append(unit) or real(job, unit, at))
    label_folder(here, "stance_rules")
    assert 2 in made and 0 not in made
    kept = {name: data for name, data in tree_bytes(here).items() if "gold" not in name}
    assert kept == labelled


@pytest.mark.parametrize("shard", range(SHARDS))
def test_other_votes_are_never_replaced(here, labelled, shard):
    table = f"votes/stance_rules-0000{shard}-of-0000{SHARDS}.parquet"
    other = pl.read_parquet(labelled[table]).with_columns(confidence=pl.lit(0.25))
    votes.write(other, here / table)
    before = (here / table).read_bytes()
    with pytest.raises(SettingsError, match=f"{table} holds other votes, which are never replaced"):
        label_folder(here, "stance_rules")
    assert (here / table).read_bytes() == before


@pytest.mark.parametrize("column", ["model", "prompt_digest"])
@pytest.mark.parametrize("kept", range(SHARDS))
def test_votes_of_another_model_or_prompt_are_told_before_labelling(here, use, column, kept):
    use(Recorder())
    before = label_folder(here, "recorder")
    for number, path in enumerate(before):
        if number != kept:
            path.unlink()
    newer = use(Recorder())
    setattr(newer, column, "another")
    with pytest.raises(SettingsError, match=rf"{before[kept].name} holds .* another {column},"):
        label_folder(here, "recorder")
    assert not newer.asked
    assert not (here / ".run" / "labelling").exists()


def test_asking_is_told_of_this_process_and_call_only(here, use, tmp_path):
    labeller = use(Recorder())
    counts = {"seconds": 0.0, "cached": 0}
    labeller.usage = {"models": {"m": counts}}
    assert run.usage("recorder", ()) is None  # not loaded
    label_folder(here, "recorder")
    assert run.usage("recorder", ()) is None  # loaded, and nothing asked
    counts["cached"] = 1
    assert run.usage("recorder", ()) == labeller.usage
    with pytest.raises(DataError):
        label_folder(tmp_path / "nowhere", "other")
    assert run.usage("other", ()) is None


def test_confidence_is_the_least_chance_of_what_is_named(here, use):
    spans = (Span(Strategy.QUESTION, 0, 1), Span(Strategy.EXAMPLE, 0, 1))
    two = Label(Strategy.QUESTION | Strategy.EXAMPLE, (0.9, 0.1, 0.7, 0.2, 0.3), spans)
    use(Recorder(two))
    label_folder(here, "recorder")
    cast = votes.read(votes.files(here))
    assert cast["confidence"].unique().to_list() == [0.7]
    assert cast["value"].unique().to_list() == [["Question", "Example"]]
    assert cast.select("model", "prompt_digest", "source").unique().rows() == [
        ("m1", "p1", "model")
    ]


@pytest.mark.parametrize(
    ("side", "support", "value", "confidence"),
    [(Stance.OPPOSE, 0.2, "oppose", 0.8), (Stance.SUPPORT, 0.8, "support", 0.8), (None, 0.5, "unclear", 0.5)],
)  # fmt: skip
def test_stance_votes(here, use, side, support, value, confidence):
    use(Recorder(Side(side, support))).kind = "stance"
    label_folder(here, "recorder")
    cast = votes.read(votes.files(here))
    told = cast.select(
        pl.col("value").list.first(), "confidence", "kind", pl.col("spans").list.len()
    )
    assert told.unique().rows() == [(value, pytest.approx(confidence), "stance", 0)]


def test_no_answer_is_no_vote_and_must_be_allowed(here, use):
    use(Recorder()).silent = set(votes.texts(here)["utterance_id"])
    with pytest.raises(ModelError, match="no usable answer to 421 texts"):
        label_folder(here, "recorder")
    assert not (here / "votes").exists()
    label_folder(here, "recorder", allow_missing=True)
    assert votes.read(votes.files(here)).height == 0


def test_parts_without_an_answer_are_asked_again_and_no_others(here, use):
    once = use(Recorder())
    once.silent = {"t3_s02"}
    with pytest.raises(ModelError, match="to 1 texts"):
        label_folder(here, "recorder")
    asked, once.silent = len(once.asked), set()
    label_folder(here, "recorder")
    assert votes.read(votes.files(here)).height == 421
    assert 0 < len(once.asked) - asked < 421


def test_what_is_no_built_folder_is_told(tmp_path, here):
    with pytest.raises(DataError, match="not a finished build"):
        label_folder(tmp_path, "stance_rules")
    with pytest.raises(SettingsError, match="there are: "):
        label_folder(here, "oracle")
    with folder.locked(here), pytest.raises(SettingsError, match="another sad command"):
        label_folder(here, "stance_rules")
    assert not (here / "votes").exists()


def test_failing_labeller_is_told_and_leaves_no_votes(here):
    gold = write_lines(here.parent / "g.jsonl", [{"id": "a", "text": "x", "stance": 1}])
    with pytest.raises(DataError, match="is not wholly annotated"):
        label_folder(here, "gold", [f"gold={gold}"])
    assert not (here / "votes").exists()
