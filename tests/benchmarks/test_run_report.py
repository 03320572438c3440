import json
import math
import re
import shutil
import subprocess
import sys

import datasets
import polars as pl
import pytest

from benchmarks import runner, runs
from sad.build import folder
from sad.build.frames import write_parquet
from sad.files import read_json


@pytest.fixture(scope="module")
def tiny_run(tiny_model, gold_sample, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "tiny"
    settings = runner.RunSettings(
        model_args=f"pretrained={tiny_model},dtype=float32", limit=6, device="cpu", batch_size="3"
    )
    runner.run(settings, str(gold_sample), out)
    return out


def test_run_has_scores_of_every_task_with_what_they_rest_on(tiny_run):
    record = read_json(tiny_run / runner.SCORES)
    assert record["whose"] == "ours"
    assert record["settings"]["versions"]["lm-eval"] == "0.4.13"
    assert {s["task"] for s in record["scores"]} == {
        "sad_gen", "sad_gen_strategy", "sad_stance_cls", "sad_strategy_cls",
    }  # fmt: skip
    for score in record["scores"]:
        assert score["n"] == 6
        assert score["split"] == "test"
        assert score["labels"] == "stance:gold; strategies:gold"
        assert score["task_version"] == "1"
        if not score["metric"].startswith("distinct"):
            assert score["low"] <= score["high"]


def test_our_values_are_those_of_lm_eval(tiny_run):
    results = read_json(next(tiny_run.rglob("results_*.json")))["results"]
    for score in read_json(tiny_run / runner.SCORES)["scores"]:
        assert score["value"] == pytest.approx(results[score["task"]][f"{score['metric']},none"])


def test_other_weights_at_the_same_place_are_another_run(tiny_model, gold_sample, tmp_path, run):
    import torch
    from transformers import AutoModelForCausalLM

    shutil.copytree(tiny_model, tmp_path / "model")
    arguments = ("bench", "run", "--model-args", f"pretrained={tmp_path / 'model'}", "--limit", "1",
                 "--tasks", "sad_stance_cls", "--data", gold_sample, "--out", tmp_path / "run")  # fmt: skip
    assert run(*arguments).code == 0
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.save_pretrained(tmp_path / "model")
    refused = run(*arguments)
    assert refused.code == 3
    assert "other model_digest" in refused.err


def test_finished_run_is_read_and_not_repeated(tiny_run, tiny_model, run, gold_sample, monkeypatch):
    monkeypatch.setattr(runner, "_evaluate", None)  # calling it would fail
    arguments = ("bench", "run", "--model-args", f"pretrained={tiny_model},dtype=float32", "--limit",
                 "6", "--device", "cpu", "--batch-size", "3", "--data", gold_sample, "--out", tiny_run)  # fmt: skip
    assert run(*arguments).code == 0
    refused = run(*arguments, "--split", "train")
    assert refused.code == 3
    assert "other split" in refused.err


def test_stopped_run_goes_on_with_the_answers_it_has(
    tiny_run, tiny_model, gold_sample, tmp_path, monkeypatch
):
    from lm_eval.models.huggingface import HFLM

    for paid in ("generate_until", "loglikelihood"):
        monkeypatch.setattr(HFLM, paid, None)  # asking the model again would fail
    shutil.copytree(tiny_run, tmp_path / "run")
    (tmp_path / "run" / runner.SCORES).unlink()
    before = read_json(tiny_run / runner.SCORES)["scores"]
    settings = runner.RunSettings(
        model_args=f"pretrained={tiny_model},dtype=float32", limit=6, device="cpu", batch_size="3"
    )
    runner.run(settings, str(gold_sample), tmp_path / "run")
    assert read_json(tmp_path / "run" / runner.SCORES)["scores"] == before


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--model-args", "pretrained=/no/such/model"], 4, "/no/such/model"),
        (["--tasks", "sad_gen,nonsense"], 3, "no task 'nonsense'"),
        (["--split", "dev"], 3, "no split 'dev'"),
        (["--model-args", "pretrained={tiny}", "--device", "foo"], 3, "'foo'"),
        (["--model-args", "pretrained={tiny}", "--batch-size", "x"], 3, "'x'"),
        (["--model-args", "foo"], 4, "hf foo"),
        (["--model", "nonsense"], 4, "nonsense"),
    ],
)
def test_wrong_run(run, gold_sample, tiny_model, tmp_path, arguments, code, told, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = run("bench", "run", "--data", gold_sample, "--out", tmp_path / "o",
               *(argument.format(tiny=tiny_model) for argument in arguments))  # fmt: skip
    assert done.code == code
    assert told in done.err.splitlines()[-1]


def test_corrected_command_goes_on_in_the_folder_of_the_failed_one(run, tiny_model, tmp_path):
    arguments = ("bench", "run", "--limit", "1", "--tasks", "sad_stance_cls", "--device", "cpu",
                 "--out", tmp_path / "o", "--model-args")  # fmt: skip
    assert run(*arguments, "pretrained=/no/such").code == 4
    assert run(*arguments, f"pretrained={tiny_model}").code == 0


def test_report_leaves_tasks_of_others_aside(tiny_run, run, gold_sample, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "r$x_$<b>")
    found = next((tmp_path / "r$x_$<b>").rglob("results_*.json"))
    results = read_json(found)
    results["configs"]["arc"] = {"metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}]}
    found.write_text(json.dumps(results))
    stamp = found.name.removeprefix("results_").removesuffix(".json")
    (found.parent / f"samples_arc_{stamp}.jsonl").write_text('{"doc": {"question": "?"}}\n')
    page = tmp_path / "r.html"
    done = run("bench", "report", tmp_path / "r$x_$<b>", "--data", gold_sample, "--out", page)
    assert done.code == 0
    assert "r$x_$&lt;b&gt;" in page.read_text()


def test_report_is_one_page_that_escapes(tiny_run, run, gold_sample, tmp_path):
    shutil.copytree(gold_sample, tmp_path / "evil")
    file = folder.files(tmp_path / "evil", "utterances")[0]
    evil = "<script>alert('x')</script> & <img src=http://e.org/x>"
    rows = pl.read_parquet(file)
    write_parquet(rows.with_columns(text=pl.lit(evil) + pl.col("text")), file)
    page = tmp_path / "r.html"
    assert run("bench", "report", tiny_run, "--data", tmp_path / "evil", "--out", page).code == 0
    html = page.read_text()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "<img" not in html
    for outside in ('href="http', 'src="http', "url(http", "@import"):
        assert outside not in html
    assert html.count("<svg") == 7
    assert "control_f1" in html
    assert "392,822" in html


def test_report_has_the_same_bytes_each_time(tiny_run, run, gold_sample, tmp_path):
    pages = []
    for name in ("a.html", "b.html"):
        run("bench", "report", tiny_run, "--data", gold_sample, "--out", tmp_path / name)
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


def test_report_sets_runs_side_by_side(tiny_run, run, gold_sample, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "other")
    done = run("bench", "report", tiny_run, tmp_path / "other", "--data", gold_sample,
               "--out", tmp_path / "r.html")  # fmt: skip
    assert done.code == 0
    assert ">tiny<" in (tmp_path / "r.html").read_text()
    assert ">other<" in (tmp_path / "r.html").read_text()


def test_stock_command_prints_every_task(tiny_model, gold_sample, tmp_path):
    """The command of lm-eval itself, as a user types it."""
    path = subprocess.run(
        [sys.executable, "-m", "sad", "bench", "path"], capture_output=True, text=True, check=True
    ).stdout.strip()
    command = [
        sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args",
        f"pretrained={tiny_model}", "--tasks", "sad", "--include_path", path, "--limit", "2",
        "--output_path", str(tmp_path / "out"), "--log_samples",
        "--metadata", json.dumps({"data": str(gold_sample)}),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for task in ("sad_gen", "sad_gen_strategy", "sad_stance_cls", "sad_strategy_cls"):
        assert re.search(rf"- {task} *\|", done.stdout)
    found = runs.read(tmp_path / "out")
    assert len({score.task for score in found.scores}) == 4
    assert found.data == str(gold_sample)


@pytest.mark.parametrize("form", ["tree", "modes"])
def test_real_data_through_the_same_commands(run, real_data, tiny_model, tmp_path, form):
    source = {"tree": "cmv-trees-naslab/cmv-conversation-example.json", "modes": "cmv-modes"}[form]
    built, out = tmp_path / "built", tmp_path / "run"
    steps = [
        ("import", form, real_data / source, "--out", tmp_path / "threads"),
        ("export", "pushshift", tmp_path / "threads", "--out", tmp_path / "dump"),
        ("build", "--threads", tmp_path / "threads", "--out", built, "--set", "window=null"),
        ("annotate", "label", built, "--labeller", "cues"),
        ("annotate", "aggregate", built, "--method", "majority"),
        ("validate", built),
        ("bench", "run", "--model-args", f"pretrained={tiny_model}", "--data", built, "--limit", "1",
         "--device", "cpu", "--tasks", "sad", "--out", out),
        ("bench", "report", out, "--out", tmp_path / "r.html"),
    ]  # fmt: skip
    for step in steps:
        done = run(*step)
        assert done.code == 0, (step, done.err)
    loaded = datasets.load_dataset(str(built), cache_dir=str(tmp_path / "cache"))
    dialogues = {"tree": 26, "modes": 194}[form]
    assert sum(len(rows) for rows in loaded.values()) == dialogues
    page = (tmp_path / "r.html").read_text()
    assert "heuristic(cues)" in page
    assert len({score.task for score in runs.read(out).scores}) == 4


@pytest.mark.model
def test_real_model_writes_text_that_is_scored(smollm2, gold_sample, tmp_path):
    """SmolLM2 writes words, and its scores are finite; how good they are is for the report."""
    settings = runner.RunSettings(
        model_args=f"pretrained={smollm2},dtype=bfloat16", tasks=["sad_gen_strategy", "sad_stance_cls"],
        limit=3, device="cpu", apply_chat_template=True,
    )  # fmt: skip
    finished = runner.run(settings, str(gold_sample), tmp_path / "run")
    replies = [reply["reply"] for reply in finished.replies]
    assert len(replies) == 3
    assert all(len(reply.split()) >= 3 for reply in replies)
    assert len(set(replies)) > 1
    by_metric = {(s.task, s.metric): s.interval for s in finished.scores}
    assert by_metric["sad_gen_strategy", "rouge_1"].value > 0
    assert all(math.isfinite(score.interval.value) for score in finished.scores)


@pytest.mark.browser
def test_report_in_a_browser(tiny_run, run, gold_sample, tmp_path):
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("Chromium is not installed: apt-get install chromium chromium-driver")
    from playwright.sync_api import sync_playwright

    page_path = tmp_path / "r.html"
    run("bench", "report", tiny_run, "--data", gold_sample, "--out", page_path)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        asked, errors = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: errors.append(message.text))
        page.goto(page_path.as_uri())
        assert page.locator("h2").all_inner_texts()[0] == "Scores"
        assert page.locator("svg").count() == 7
        assert page.locator(".turn mark").count() > 5
        width = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert asked == [page_path.as_uri()]
    assert errors == []
    assert width <= 1000
