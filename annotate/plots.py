"""Plots of an evaluation: precision against recall, and calibration, per label and labeller."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annotate.encoder.decide import bins
from sad.errors import MissingExtraError
from sad.files import atomic

if TYPE_CHECKING:
    from annotate.evaluate import Answers

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Told apart also by people who do not see all colours. Source: Okabe and Ito."""

_STYLE = {"svg.fonttype": "none", "font.size": 9, "text.parse_math": False}


def require_matplotlib() -> Any:
    """The package ``matplotlib``, which is loaded only where something is drawn.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import matplotlib.figure
    except ImportError:
        raise MissingExtraError("labels", "matplotlib") from None
    return matplotlib


def plot(found: Sequence[Answers], out: Path, gold: str) -> list[Path]:
    """Two SVG files for the gold set ``gold``, one panel per annotated label each."""
    mpl = require_matplotlib()
    written = []
    labels = [
        (place, label) for place, label in enumerate(found[0].labels)
        if (~np.isnan(found[0].truth[:, place])).any()
    ]  # fmt: skip
    for name, draw in (("precision-recall", _precision_recall), ("calibration", _calibration)):
        with mpl.rc_context({**_STYLE, "svg.hashsalt": gold}):
            figure = mpl.figure.Figure(figsize=(3.1 * len(labels) + 0.3, 3.5), layout="constrained")
            axes = figure.subplots(1, len(labels), squeeze=False)[0]
            for panel, (place, label) in zip(axes, labels, strict=True):
                known = ~np.isnan(found[0].truth[:, place])
                positives = int(found[0].truth[known, place].sum())
                panel.set_title(f"{label} ({positives:,} of {int(known.sum()):,})")
                for colour, answers in zip(_COLOURS * 3, found, strict=False):
                    draw(panel, answers, place, known, colour)
                panel.set(xlim=(0, 1), ylim=(0, 1.02), aspect="equal")
                panel.grid(alpha=0.3)
            axes[0].legend(loc="lower left", fontsize=7, framealpha=0.8)
            figure.suptitle(f"{gold}: {name.replace('-', ' and ')}")
            path = out / f"{gold}-{name}.svg"
            with atomic(path) as temporary:
                figure.savefig(temporary, format="svg", metadata={"Date": None})
        written.append(path)
    return written


def _precision_recall(panel: Any, answers: Answers, place: int, known: Any, colour: str) -> None:
    truth, chances = answers.truth[known, place], answers.chances[known, place]
    order = np.argsort(-chances, kind="stable")
    hits, seen = np.cumsum(truth[order]), np.arange(1, len(truth) + 1)
    ends = np.append(np.diff(chances[order]) != 0, True)
    total = max(truth.sum(), 1)
    panel.plot(hits[ends] / total, hits[ends] / seen[ends], color=colour, lw=1, alpha=0.7)
    named = answers.named[known, place]
    right = float((truth * named).sum())
    panel.plot(right / total, right / max(named.sum(), 1), "o", color=colour,
               label=answers.labeller)  # fmt: skip
    panel.set(xlabel="recall", ylabel="precision")


def _calibration(panel: Any, answers: Answers, place: int, known: Any, colour: str) -> None:
    mean, share, count = bins(answers.chances[known, place], answers.truth[known, place])
    some = count > 0
    panel.plot([0, 1], [0, 1], color="0.7", lw=0.8)
    panel.plot(mean[some], share[some], "o-", color=colour, ms=4, lw=1, label=answers.labeller)
    panel.set(xlabel="probability", ylabel="share that bears the label")
