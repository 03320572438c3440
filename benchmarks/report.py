"""The report: one page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.data import labelled_folder
from benchmarks.runs import Run, Score
from benchmarks.table import cell
from sad.build import folder as built
from sad.errors import MissingExtraError
from sad.files import write_text
from sad.show import find
from sad.stats import funnel, plots, usage

_TEMPLATES = Path(__file__).parent / "templates"
_HEADLINES = {
    "sad_gen": ("rouge_l", "bleu_1", "copy_rate"),
    "sad_gen_strategy": ("rouge_l", "control_f1", "ceiling_f1"),
    "sad_stance_cls": ("acc", "macro_f1"),
    "sad_strategy_cls": ("label_micro_f1", "label_macro_f1", "jaccard"),
}
"""The metrics that are drawn. Source: ours."""


def write_report(runs: Sequence[Run], out: Path, data: Path | None = None) -> None:
    """Write the report of ``runs`` to ``out``.

    Args:
        runs: evaluations, shown side by side.
        out: the HTML file.
        data: the built folder to show; default: the one that the first run was scored on.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        raise MissingExtraError("eval", "jinja2") from None
    folder = data or labelled_folder(runs[0].data)
    env = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    drawings = {**plots.all_plots(folder), "scores": scores_plot(runs)}
    page = env.get_template("report.html").render(
        runs=runs,
        folder=folder.name,
        colours=plots.COLOURS,
        funnel=funnel.rows(built.counts(folder)),
        sizes=funnel.sizes(folder),
        usage=usage.strategies(folder),
        dialogues=[_dialogue(folder, name) for name in _chosen_dialogues(folder)],
        tables=_tables(runs),
        replies=[reply for run in runs for reply in _chosen_replies(run)],
        plots={name: Markup(svg) for name, svg in drawings.items()},  # noqa: S704  our own SVG
    )
    write_text(out, page)


def scores_plot(runs: Sequence[Run]) -> str:
    """The headline metrics of every task with their intervals, one mark per run."""
    chosen = [
        (score, place)
        for place, run in enumerate(runs)
        for score in run.scores
        if score.metric in _HEADLINES.get(score.task, ())
    ]
    names = list(dict.fromkeys(_name(score) for score, _ in chosen))
    with plots.figure(height=0.8 + 0.3 * len(names) * max(1, len(runs) * 0.6)) as fig:
        for place, run in enumerate(runs):
            own = [score for score, owner in chosen if owner == place]
            values = [_scaled(score, score.interval.value) for score in own]
            heights = [names.index(_name(score)) + 0.2 * place for score in own]
            errors = [_error(score) for score in own]
            fig.axes.errorbar(
                values, heights, xerr=list(zip(*errors, strict=True)), fmt="o", capsize=3,
                label=f" {run.path.name}",  # a leading underscore would hide it
            )  # fmt: skip
        fig.axes.set_yticks(range(len(names)), names)
        fig.axes.invert_yaxis()
        fig.axes.set_xlim(-0.02, 1.02)
        fig.axes.grid(axis="x", color="#e2e8f0")
        fig.axes.set_title("Scores with 95 % intervals (BLEU, ROUGE: divided by 100)")
        fig.axes.legend(frameon=False, loc="best")
    return fig.svg


def _name(score: Score) -> str:
    return f"{score.task}  {score.metric}"


def _scaled(score: Score, value: float) -> float:
    return value / 100 if score.about.startswith("0-100") else value


def _error(score: Score) -> tuple[float, float]:
    i = score.interval
    if i.low is None or i.high is None:
        return 0.0, 0.0
    # A percentile interval may, rarely, leave its value outside: a bar has no negative length.
    return max(0.0, _scaled(score, i.value - i.low)), max(0.0, _scaled(score, i.high - i.value))


def _tables(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Per task: its version, prompt, split, n, and one row per metric with a cell per run."""
    tables: dict[str, dict[str, Any]] = {}
    for place, run in enumerate(runs):
        for score in run.scores:
            table = tables.setdefault(
                score.task,
                {
                    "version": score.task_version,
                    "prompt": score.prompt,
                    "rows": {},
                    "n": {},
                    "labels": {},
                    "resamples": "",
                },
            )
            i = score.interval
            if i.resamples:
                table["resamples"] = f"{i.resamples:,} resamples, seed {i.seed}"
            table["n"][place] = f"n = {i.n}, {i.n_trees} trees, split {score.split}"
            table["labels"][place] = score.labels
            row = table["rows"].setdefault(score.metric, {"about": score.about, "cells": {}})
            row["cells"][place] = cell(i)
    return tables


def _chosen_dialogues(folder: Path, most: int = 2) -> list[str]:
    """Dialogues of different threads and middling length that show the most strategies."""
    for split in ("test", "validation", "train"):
        rows = built.read(folder, "dialogues", split)
        if rows.height:
            break
    table = built.read(folder, "utterances").select("utterance_id", "strategy_mask")
    seen = (
        rows.select("dialogue_id", utterance_id="utterance_ids").explode("utterance_id")
        .join(table, on="utterance_id", how="left")
        .group_by("dialogue_id").agg(kinds=pl.col("strategy_mask").n_unique())
    )  # fmt: skip
    rows = rows.join(seen, on="dialogue_id").with_columns(far=(pl.col("n_turns") - 4).abs())
    rows = rows.sort("far", "kinds", "dialogue_id", descending=[False, True, False])
    return rows.unique("thread_id", keep="first", maintain_order=True)["dialogue_id"][
        :most
    ].to_list()


def _dialogue(folder: Path, name: str) -> dict[str, Any]:
    topic, turns = find(folder, name)
    return {
        "id": name,
        "topic": topic,
        "turns": [
            turn | {"pieces": _pieces(turn["text"], turn["spans"] or [])}
            for turn in turns.iter_rows(named=True)
        ],
    }


def _pieces(text: str, spans: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """``text`` cut where a span starts or ends, each piece with the labels that cover it."""
    cuts = sorted({0, len(text), *(s["start"] for s in spans), *(s["end"] for s in spans)})
    return [
        (text[a:b], [s["label"] for s in spans if s["start"] <= a and b <= s["end"]])
        for a, b in pairwise(cuts)
    ]


def _chosen_replies(run: Run, most: int = 2) -> list[dict[str, Any]]:
    """What the model wrote where strategies were asked for, in the order of the documents."""
    asked = [reply for reply in run.replies if reply["task"] == "sad_gen_strategy"]
    return [reply | {"model": run.path.name} for reply in (asked or run.replies)[:most]]
