"""Plots as SVG text: the same input gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from sad.build import folder as built
from sad.errors import MissingExtraError
from sad.files import write_text
from sad.stats import funnel, usage
from sad.types import STRATEGY_LABELS

COLOURS = {
    "Question": "#2b6cb0",
    "Causality": "#c53030",
    "Example": "#2f855a",
    "Analogy": "#805ad5",
    "Statement": "#718096",
}
"""One colour per strategy, in every page and plot."""

_INK, _PALE = "#2d3748", "#a0aec0"


class Figure:
    """One matplotlib figure of ours, which becomes SVG text when done."""

    def __init__(self, axes: Any) -> None:
        self.axes = axes
        self.svg = ""


@contextmanager
def figure(width: float = 7.2, height: float = 3.0) -> Iterator[Figure]:
    """A figure in the house style; ``svg`` is set on leaving."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure as MplFigure
    except ImportError:
        raise MissingExtraError("eval", "matplotlib") from None
    style = {
        "svg.hashsalt": "sad", "text.parse_math": False, "svg.fonttype": "none", "font.size": 9,
        "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"],
        "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left",
        "axes.titlesize": 10, "axes.edgecolor": _INK, "text.color": _INK,
    }  # fmt: skip
    with mpl.rc_context(style):
        drawn = MplFigure(figsize=(width, height), layout="constrained")
        ours = Figure(drawn.add_subplot())
        yield ours
        buffer = io.StringIO()
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    ours.svg = text[text.index("<svg") :]


def funnel_plot(counts: dict[str, dict[str, Any]]) -> str:
    """Kept and dropped rows of each stage."""
    stages = funnel.rows(counts)[::-1]
    names = [stage for stage, *_ in stages]
    kept = [k for _, _, k, _ in stages]
    dropped = [s - k for _, s, k, _ in stages]
    with figure(height=0.5 + 0.38 * len(stages)) as fig:
        fig.axes.barh(names, kept, color="#4a5568", label="kept")
        fig.axes.barh(names, dropped, left=kept, color="#f6ad55", label="dropped")
        for place, (k, d) in enumerate(zip(kept, dropped, strict=True)):
            fig.axes.text(k + d, place, f" {k:,} of {k + d:,}", va="center", fontsize=8)
        fig.axes.margins(x=0.18)
        fig.axes.set_title("What each stage kept and dropped")
        fig.axes.legend(frameon=False, loc="lower right")
    return fig.svg


def drops_plot(counts: dict[str, dict[str, Any]]) -> str:
    """How many rows each rule dropped, in the order of the build."""
    fired = [(f"{stage}: {rule}", n) for stage, *_, drops in funnel.rows(counts)
             for rule, n in drops.items()][::-1]  # fmt: skip
    with figure(height=0.6 + 0.2 * max(len(fired), 2)) as fig:
        bars = fig.axes.barh([name for name, _ in fired], [n for _, n in fired], color="#f6ad55")
        fig.axes.bar_label(bars, [f" {n:,}" for _, n in fired], fontsize=8)
        fig.axes.margins(x=0.12)
        fig.axes.set_title("What each rule dropped")
    return fig.svg


def sizes_plot(sizes: list[tuple[str, int, float, str]]) -> str:
    """Our sizes beside the paper's, on a logarithmic axis."""
    rows = sizes[::-1]
    with figure(height=0.6 + 0.5 * len(rows)) as fig:
        for shift, name, column, colour in ((0.2, "here", 1, "#4a5568"), (-0.2, "paper", 2, _PALE)):
            values = [float(row[column]) for row in rows]
            places = [place + shift for place in range(len(rows))]
            bars = fig.axes.barh(places, values, height=0.38, color=colour, label=name)
            fig.axes.bar_label(bars, [f" {value:,.0f}" for value in values], fontsize=8)
        fig.axes.set_yticks(range(len(rows)), [f"{what} *" if "doubtful" in remark else what
                                               for what, *_, remark in rows])  # fmt: skip
        fig.axes.set_xscale("log")
        fig.axes.set_xlim(1, None)
        fig.axes.xaxis.set_visible(False)  # every bar bears its number
        fig.axes.margins(x=0.2)
        fig.axes.set_title("Sizes beside the paper's, logarithmic (* its figure is doubtful)")
        fig.axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2)
    return fig.svg


def strategies_plot(found: usage.Usage) -> str:
    """Share of the utterances that use each strategy."""
    with figure(height=2.4) as fig:
        shares = [found.labels[label] / found.n for label in STRATEGY_LABELS]
        bars = fig.axes.barh(STRATEGY_LABELS, shares, color=[COLOURS[s] for s in STRATEGY_LABELS])
        fig.axes.bar_label(bars, [f" {share:.0%}" for share in shares])
        fig.axes.invert_yaxis()
        fig.axes.set_xlim(0, 1)
        fig.axes.set_title(f"Utterances that use a strategy (n = {found.n:,})")
    return fig.svg


def sets_plot(found: usage.Usage, most: int = 12) -> str:
    """The most frequent label sets."""
    masks = sorted(found.masks.items(), key=lambda pair: (-pair[1], pair[0]))[:most]
    names = ["".join(s[0] for bit, s in enumerate(STRATEGY_LABELS) if mask >> bit & 1)
             for mask, _ in masks]  # fmt: skip
    with figure(height=2.6) as fig:
        bars = fig.axes.bar(names, [n for _, n in masks], color=_PALE)
        fig.axes.bar_label(bars, fontsize=8)
        fig.axes.set_title(f"Label sets (first letters; the {len(masks)} most frequent)")
    return fig.svg


def turns_plot(dialogues: pl.DataFrame) -> str:
    """Number of dialogues by number of turns, the post counted."""
    counted = dialogues["n_turns"].value_counts().sort("n_turns")
    with figure(height=2.6) as fig:
        fig.axes.bar(counted["n_turns"].to_list(), counted["count"].to_list(), color=_PALE)
        fig.axes.set_title(f"Turns per dialogue (n = {dialogues.height:,})")
        fig.axes.xaxis.get_major_locator().set_params(integer=True)
    return fig.svg


def all_plots(folder: Path) -> dict[str, str]:
    """Name -> SVG of every plot that ``folder`` has data for."""
    counts = built.counts(folder)
    plots = {
        "funnel": funnel_plot(counts),
        "drops": drops_plot(counts),
        "sizes": sizes_plot(funnel.sizes(folder)),
        "turns": turns_plot(built.read(folder, "dialogues", columns=["n_turns"])),
    }
    if found := usage.strategies(folder):
        plots |= {"strategies": strategies_plot(found), "sets": sets_plot(found)}
    return plots


def write_plots(folder: Path, out: Path) -> list[Path]:
    """Write every plot of ``folder`` as ``out/NAME.svg``; the paths."""
    paths = []
    for name, svg in all_plots(folder).items():
        paths.append(out / f"{name}.svg")
        write_text(paths[-1], svg)
    return paths
