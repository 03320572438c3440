import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers import write_lines

from annotate import evaluate, gold, guideline
from annotate.evaluate import Answers, answers, table
from annotate.labeller import Label, load
from annotate.projections import causal_news
from sad import sample
from sad.types import STRATEGY_LABELS, Strategy


class Plain:
    """A labeller that calls everything a Statement."""

    kind, name, source, model, prompt_digest, alone = (
        "strategies", "plain <S> & more $x$", "model", "abc", None, True
    )  # fmt: skip

    def label(self, items):
        return (Label(Strategy.STATEMENT, (0.1, 0.1, 0.1, 0.1, 0.9), ()) for _ in items)


def _random(seed, n=200):
    rng = np.random.default_rng(seed)
    truth, chances = (rng.random((n, 5)) < 0.3).astype(float), rng.random((n, 5))
    known = replace(gold.load("sample"), name="g", groups=[str(i % 40) for i in range(n)])
    return Answers("told", None, known, STRATEGY_LABELS, truth, (chances > 0.5) * 1.0, chances)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("judged")
    known = gold.load("sample")
    judged = [answers(load("gold"), known), answers(Plain(), known)]
    sides = answers(load("gold", ["kind=stance"]), known)
    return out, evaluate.write([*judged, sides], out)


def test_gold_judged_by_itself_is_right(written):
    told = [score for score in written[1] if score["labeller"] == "gold-sample"]
    own = {(score["label"], score["metric"]): score["value"] for score in told}
    assert set(own.values()) == {1.0, 0.0}
    assert {key for key, value in own.items() if not value} == {
        (label, "calibration_error") for label in STRATEGY_LABELS
    }


def test_metrics_file(written):
    out, told = written
    record = json.loads((out / "metrics.json").read_text())
    assert record["scores"] == told
    assert record["whose"] == "ours"
    assert record["guideline_version"] == guideline.load().version
    known = gold.load("sample")
    assert record["gold"] == {
        "sample": {"n": 431, "of": 431, "groups": len({*known.groups}), "sha256": known.digest}
    }
    assert record["labellers"]["plain <S> & more $x$"] == {"model": "abc"}
    for score in told:
        assert {"gold", "labeller", "label", "metric", "positives", "value", "low", "high", "n",
                "n_trees", "resamples", "seed"} == {*score}  # fmt: skip


def test_plots_are_whole_svg_with_their_text(written):
    out, _ = written
    assert {path.name for path in out.iterdir()} == {
        "metrics.json", "sample-precision-recall.svg", "sample-calibration.svg",
        "sample-stance-precision-recall.svg", "sample-stance-calibration.svg",
    }  # fmt: skip
    for path in out.glob("*.svg"):
        root = ElementTree.fromstring(path.read_text("utf-8"))  # noqa: S314  our own
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        text = " ".join(root.itertext())
        stance = "stance" in path.name
        assert all(label in text for label in (("support",) if stance else STRATEGY_LABELS))
        assert ("plain <S> & more $x$" in text) is not stance


def test_writing_again_gives_the_same_bytes(written, tmp_path):
    found = _random(0)
    for name in ("a", "b"):
        evaluate.write([found], tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_gold_file_without_positives_is_written_and_drawn(tmp_path):
    lines = [{"id": str(i), "text": f"So {i}.", "strategies": []} for i in range(4)]
    known = gold.load(str(write_lines(tmp_path / "blank.jsonl", lines)))
    told = evaluate.write([answers(Plain(), known)], tmp_path / "out")
    assert {s["value"] for s in told if s["label"] == "all"} == {0.0}
    assert (tmp_path / "out" / "blank-precision-recall.svg").exists()


def _evaluated(run, labellers, *sets, out):
    given = [argument for name in sets for argument in ("--gold", name)]
    return run("annotate", "evaluate", "--labeller", labellers, *given, "--out", out)


def test_a_labeller_of_another_kind_is_refused_before_any_answers(run, tmp_path):
    done = _evaluated(run, "cues,stance_rules", "sample", "own-topics", out=tmp_path / "out")
    assert (done.code, done.out) == (4, "")
    assert "own-topics: has no stance for stance_rules" in done.err
    assert "cues: " not in done.err  # the stage of its answers


def test_two_gold_files_of_one_name_are_refused_before_any_answers(run, tmp_path):
    files = []
    for n, folder in enumerate(("a", "b")):
        (tmp_path / folder).mkdir()
        line = {"id": "1", "text": f"Why {n}?", "strategies": ["Question"]}
        files.append(write_lines(tmp_path / folder / "g.jsonl", [line]))
    done = _evaluated(run, "cues", *files, out=tmp_path / "out")
    assert done.code == 4
    assert "g: two gold sets have this name" in done.err and "cues: " not in done.err
    assert not (tmp_path / "out").exists()


def test_the_command_that_a_projection_names_can_be_typed(run, tmp_path, monkeypatch):
    for name in causal_news.FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("index,text,label\na_1_0,It broke .,0\na_1_1,Why ?,1\n")
    done = run("annotate", "project", "causal_news", tmp_path, "--out", tmp_path / "g.jsonl")
    assert done.code == 0, done.err
    typed = done.out.strip().partition("next: sad ")[2]
    assert typed == f"annotate evaluate --labeller best --gold {tmp_path}/g.jsonl --out judged"
    monkeypatch.chdir(tmp_path)
    done = run(*typed.replace("best", "cues").split())
    assert done.code == 0, done.err
    assert (tmp_path / "judged" / "metrics.json").exists()


def test_table_has_a_row_per_label(written):
    rows = table(written[1])
    assert [row[2] for row in rows if row[1] == "gold-sample"] == [*STRATEGY_LABELS, "all"]
    question = next(row for row in rows if row[1:3] == ["gold-sample", "Question"])
    bearers = sum("Question" in line["strategies"] for line in sample.gold())
    assert question[3:6] == ["431", str(bearers), "1.000 [1.000, 1.000]"]
    assert len({len(row) for row in rows} | {len(evaluate.HEADER)}) == 1


def test_a_gold_file_of_one_label(tmp_path):
    lines = [
        {"id": str(i), "text": "Why?" if i % 2 else "So.", "strategies": ["Question"] * (i % 2),
         "labels_annotated": ["Question"]}
        for i in range(8)
    ]  # fmt: skip
    known = gold.load(str(write_lines(tmp_path / "one.jsonl", lines)))
    told = evaluate.write([answers(Plain(), known)], tmp_path / "out")
    assert {s["label"] for s in told} == {"Question", "all"}
    assert (tmp_path / "out" / "one-calibration.svg").exists()
