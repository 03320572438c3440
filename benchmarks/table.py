"""Scores as a table on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from benchmarks.runs import Run
from sad.console import console
from sad.metrics.intervals import Interval


def cell(interval: Interval) -> str:
    """A value with its 95 % interval: ``0.512 [0.401, 0.630]``."""
    if interval.low is None or interval.high is None:
        return f"{interval.value:.3f}"
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def print_scores(runs: Sequence[Run]) -> None:
    """One row per run, task and metric."""
    table = Table("task", "metric", "model", title="Scores, ours", title_justify="left")
    table.add_column("value [95 % over trees]", justify="right")
    table.add_column("n", justify="right")
    table.add_column("trees", justify="right")
    for run in runs:
        for score in run.scores:
            n, trees = score.interval.n, score.interval.n_trees
            model = run.path.name
            table.add_row(score.task, score.metric, model, cell(score.interval), str(n), str(trees))
    console().print(table)
