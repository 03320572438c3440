"""Agreement as JSON, as rows of a table, and as a plot."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from annotate.agreement import Agreement
from sad.errors import DataError
from sad.files import write_text
from sad.metrics.intervals import Interval
from sad.stats.plots import figure

COLUMNS = ("subject", "measure", "value [95 % over trees]", "items", "trees", "annotators")
PAIR_COLUMNS = ("subject", "annotator", "other", "items", "raw", "kappa")

_DRAWN = {
    "kappa": ("Fleiss' kappa", "o", "#2b6cb0"),
    "alpha": ("Krippendorff's alpha", "s", "#c53030"),
    "alpha_jaccard": ("alpha, Jaccard", "^", "#2f855a"),
    "alpha_masi": ("alpha, MASI", "D", "#805ad5"),
}
_STEP = 0.18  # between the measures of a subject, which are 1 apart


def to_json(agreement: Agreement) -> dict[str, Any]:
    """``agreement`` as JSON: ``scores`` and ``pairs``; null is what is not available."""
    scores = [
        {
            "subject": score.subject,
            "metric": score.metric,
            "n_annotators": score.n_annotators,
            **(asdict(score.interval) if score.interval else {"value": None, "n": 0}),
        }
        for score in agreement.scores
    ]
    return {"scores": scores, "pairs": [asdict(pair) for pair in agreement.pairs]}


def table(agreement: Agreement) -> list[tuple[str, ...]]:
    """One row of ``COLUMNS`` per score."""
    rows: list[tuple[str, ...]] = []
    for score in agreement.scores:
        found = score.interval
        n, n_trees = (found.n, found.n_trees) if found else (0, 0)
        counts = (f"{n:,}", f"{n_trees:,}", str(score.n_annotators))
        rows.append((score.subject, score.metric, _cell(found), *counts))
    return rows


def pair_table(agreement: Agreement) -> list[tuple[str, ...]]:
    """One row of ``PAIR_COLUMNS`` per subject and pair of annotators."""
    return [
        (p.subject, p.first, p.second, f"{p.n:,}", f"{p.raw:.3f}", f"{p.kappa:.3f}")
        for p in agreement.pairs
    ]


def plot(agreement: Agreement, path: Path) -> None:
    """Write kappa and the alphas of each subject, with their intervals, to ``path`` as SVG.

    Raises:
        DataError: nothing is available.
        MissingExtraError: there is no matplotlib.
    """
    found = [(s.subject, s.metric, s.interval) for s in agreement.scores if s.interval]
    if not found:
        raise DataError("votes", "no utterance has two votes, so there is no agreement to draw")
    subjects = list(dict.fromkeys(subject for subject, *_ in found))
    with figure(height=1.2 + 0.5 * len(subjects)) as fig:
        for shift, (metric, (name, marker, colour)) in enumerate(_DRAWN.items()):
            own = [(subjects.index(s), i) for s, m, i in found if m == metric]
            places = [place + _STEP * (shift - 1.5) for place, _ in own]
            fig.axes.plot(
                [i.value for _, i in own], places, marker, color=colour, markersize=4, label=name
            )
            for place, (_, interval) in zip(places, own, strict=True):
                if interval.low is not None:
                    fig.axes.hlines(place, interval.low, interval.high, color=colour, linewidth=1)
        fig.axes.set_yticks(range(len(subjects)), subjects)
        fig.axes.invert_yaxis()
        fig.axes.axvline(0, color="#a0aec0", linewidth=0.8, zorder=0)
        fig.axes.set_xlim(min(0.0, fig.axes.get_xlim()[0]), 1.02)
        fig.axes.set_xlabel("0: as by chance, 1: full agreement")
        fig.axes.grid(axis="x", color="#e2e8f0", linewidth=0.6)
        fig.axes.set_axisbelow(True)
        fig.axes.set_title(f"Agreement, with 95 % intervals over trees ({_basis(agreement)})")
        fig.axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=4)
    write_text(path, fig.svg)


def _basis(agreement: Agreement) -> str:
    """How many items and annotators the scores rest on."""
    n = {score.interval.n for score in agreement.scores if score.interval}
    items = f"{min(n):,}" if len(n) == 1 else f"{min(n):,} to {max(n):,}"
    return f"{items} utterances, {max(score.n_annotators for score in agreement.scores)} annotators"


def _cell(found: Interval | None) -> str:
    if found is None:
        return "not available"
    if found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
