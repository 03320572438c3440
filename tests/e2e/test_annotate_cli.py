"""The commands of `sad annotate` as people type them, with wrong input too."""

import csv
import json
import shutil

import polars as pl
import pytest
from fake_openai import serve

from annotate import votes
from sad import sample
from sad.types import STRATEGY_LABELS


def _gold_file(path, records):
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


@pytest.fixture
def voted(built_sample, tmp_path):
    """A built folder with the votes of the five simulated annotators."""
    folder = tmp_path / "built"
    shutil.copytree(built_sample, folder)
    (folder / "votes").mkdir()
    shutil.copy(sample.VOTES, folder / "votes" / "simulated.parquet")
    return folder


def test_labellers_are_listed_with_what_they_are(run):
    done = run("annotate", "labellers")
    assert done.code == 0
    listed = [line.split()[0] for line in done.out.splitlines()]
    assert {"best", "cues", "encoder", "gold", "llm", "llm_refined", "stance_rules", "weak"} <= set(
        listed
    )


def test_agreement_is_told_and_drawn(run, voted, tmp_path):
    out = tmp_path / "agreed"
    done = run("annotate", "agreement", "sample", "--data", voted, "--pairs", "--out", out)
    assert done.code == 0, done.err
    assert "alpha_masi" in done.out and "simulated-1" in done.out
    told = json.loads((out / "agreement.json").read_text())
    (stance,) = (s for s in told["scores"] if (s["subject"], s["metric"]) == ("stance", "kappa"))
    assert stance["n_annotators"] == 5 and stance["low"] < stance["value"] < stance["high"]
    assert (out / "agreement.svg").read_text().startswith("<")


def test_a_plan_divides_utterances_among_annotators(run, voted, tmp_path):
    out = tmp_path / "plan.csv"
    done = run("annotate", "sample", voted, "--by", "disagreement", "-n", 20, "--overlap", 0.5,
               "--annotator", "ann", "--annotator", "bob", "--again", "--out", out)  # fmt: skip
    assert done.code == 0, done.err
    rows = list(csv.DictReader(out.read_text().splitlines()))
    both = {r["utterance_id"] for r in rows if r["annotator"] == "ann"} & {
        r["utterance_id"] for r in rows if r["annotator"] == "bob"
    }
    assert len(both) == 10
    assert len({r["utterance_id"] for r in rows}) == 20


@pytest.mark.parametrize("method", ["union", "intersection", "weighted", "dawid-skene"])
def test_every_method_gives_examples(run, voted, method):
    done = run("annotate", "aggregate", voted, "--method", method)
    assert done.code == 0, done.err
    record = json.loads((voted / ".run" / "labels.json").read_text())
    assert record["method"] == method


def test_evaluation_judges_annotated_labels_only(run, tmp_path):
    gold = _gold_file(tmp_path / "g.jsonl", [
        {"id": "1", "text": "Who pays for it?", "strategies": ["Question"], "labels_annotated": ["Question"]},
        {"id": "2", "text": "It is blue.", "strategies": [], "labels_annotated": ["Question"]},
    ])  # fmt: skip
    done = run(
        "annotate", "evaluate", "--labeller", "cues", "--gold", gold, "--out", tmp_path / "o"
    )
    assert done.code == 0, done.err
    told = json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert {s["label"] for s in told["scores"]} == {"Question", "all"}
    (f1,) = (s for s in told["scores"] if (s["label"], s["metric"]) == ("Question", "f1"))
    assert (f1["value"], f1["n"], f1["positives"]) == (1.0, 2, 1)
    assert sorted(p.name for p in (tmp_path / "o").glob("*.svg")) == [
        "g-calibration.svg", "g-precision-recall.svg",
    ]  # fmt: skip


def test_votes_of_people_come_in_as_lines(run, voted, tmp_path):
    ids = pl.read_parquet(voted / "utterances" / "*.parquet")["utterance_id"]
    rows = [{"utterance_id": i, "annotator": "ann", "kind": "strategies", "value": ["Statement"], "spans": [],
             "source": "crowd"} for i in ids]  # fmt: skip
    path = _gold_file(tmp_path / "ann.jsonl", rows)
    assert votes.read([path]).height == len(ids)
    done = run("annotate", "aggregate", voted, "--votes", path)
    assert done.code == 0, done.err


@pytest.mark.parametrize(("more", "is_told"), [((), True), (("--workers", "1"), False)])
def test_what_asking_took_is_told_by_who_asked(run, voted, tmp_path, more, is_told):
    answer = {"strategies": ["Statement"], "evidence": {name: [] for name in STRATEGY_LABELS}}
    with serve(lambda _: json.dumps(answer)) as fake:
        done = run(
            "annotate", "label", voted, "--labeller", "llm", "--set", "unit=utterance", "--set",
            f'models=["{fake.url}#fake-model"]', "--set", f"cache={tmp_path / 'lm'}", *more,
        )  # fmt: skip
    assert done.code == 0, done.err
    assert fake.asked
    assert (f'"answered": {len(fake.asked)}' in done.err) == is_told
    assert ('"price"' in done.err) == is_told


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["agreement", "{tmp}/none.parquet"], 4, "none.parquet"),
        (["sample", "{built}", "--by", "luck", "--annotator", "a", "--out", "{tmp}/p"], 3, "mask"),
        (["sample", "{tmp}", "--annotator", "a", "--out", "{tmp}/p"], 4, "not a finished build"),
        (
            ["evaluate", "--labeller", "cues", "--gold", "{tmp}/no.jsonl", "--out", "{tmp}/o"],
            4,
            "own-topics",
        ),
        (["evaluate", "--labeller", "oracle", "--gold", "sample", "--out", "{tmp}/o"], 3, "best"),
        (["project", "novels", "{tmp}", "--out", "{tmp}/g"], 3, "causal_news"),
        (["project", "causal_news", "{tmp}", "--out", "{tmp}/g"], 4, "train_subtask1.csv"),
        (["train-encoder", "--out", "{tmp}/e", "--data", "{tmp}/no.jsonl"], 4, "no.jsonl"),
        (["train-encoder", "--out", "{built}"], 3, "not an empty folder"),
        (["train-encoder", "--out", "{tmp}/e", "--set", "mode=half"], 3, "mode"),
        (["aggregate", "{built}", "--method", "weighted", "--weight", "eve=2"], 3, "eve"),
        (["aggregate", "{built}", "--weight", "eve=2"], 3, "weighted"),
        (["aggregate", "{built}", "--weight", "eve=x"], 2, "NAME=W"),
        (["label", "{built}", "--labeller", "encoder"], 3, "folder"),
        (["label", "{tmp}/none", "--labeller", "encoder"], 4, "not a finished build"),
        (["label", "{built}", "--labeller", "cues", "--workers", "0"], 2, "workers"),
        (["text", "--in", "{tmp}/no", "--out", "{tmp}/o"], 2, "does not exist"),
    ],
)
def test_wrong_input_is_told(run, voted, tmp_path, arguments, code, told):
    done = run("annotate", *(a.format(tmp=tmp_path, built=voted) for a in arguments))
    assert done.code == code, done.err
    assert told in done.err
    assert "Traceback" not in done.err
