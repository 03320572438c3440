"""What the command line prints: tables, trees, progress. Text of users is never trusted."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sad.stats.funnel import rows
from sad.stats.usage import Usage
from sad.types import STANCE_LABELS

COLOURS = {
    "Question": "blue",
    "Causality": "red",
    "Example": "green",
    "Analogy": "magenta",
    "Statement": "bright_black",
}
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def console() -> Console:
    """Standard output; of a fixed width where it is no terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


@contextmanager
def stages() -> Iterator[Callable[[str], None]]:
    """A spinner with the name of the stage at work; plain lines where there is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda name: console.print(f"{name} ...")
        return
    with console.status("starting") as status:
        yield lambda name: status.update(f"{name} ...")


@contextmanager
def stage_bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar per stage that is told (stage, units done, units); lines where there is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<18}", markup=False), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(),
    )  # fmt: skip
    bars: dict[str, Any] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def tell(stage: str, done: int, of: int) -> None:
            if stage not in bars:
                for bar in bars.values():
                    progress.stop_task(bar)
                bars[stage] = progress.add_task(stage, total=of or None)
                if not console.is_terminal:
                    console.print(f"{stage} ...", markup=False)
            progress.update(bars[stage], completed=done)

        yield tell


@contextmanager
def progress(what: str) -> Iterator[Callable[..., None]]:
    """A bar that is told ``(done)`` or ``(done, total)``; nothing where there is no terminal."""
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total=None: bar.update(task, completed=done, total=total)


def print_rows(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table; all columns but the first are set to the right."""
    table = Table(title=title, title_justify="left")
    for place, name in enumerate(header):
        table.add_column(name, justify="right" if place else "left")
    for row in rows:
        table.add_row(*(Text(_safe(cell)) for cell in row))
    console().print(table)


def print_funnel(counts: dict[str, dict[str, Any]]) -> None:
    """One row per stage: seen, kept, and what each rule dropped."""
    table = Table("stage", title="Funnel", title_justify="left")
    table.add_column("seen", justify="right")
    table.add_column("kept", justify="right")
    table.add_column("dropped")
    for stage, seen, kept, dropped in rows(counts):
        why = ", ".join(f"{rule} {n:,}" for rule, n in dropped.items())
        table.add_row(stage, f"{seen:,}", f"{kept:,}", why or "-")
    console().print(table)


def print_sizes(sizes: list[tuple[str, int, float, str]]) -> None:
    """Our sizes beside the paper's."""
    table = Table("size", title="Sizes", title_justify="left")
    table.add_column("here", justify="right")
    table.add_column("SAD paper", justify="right")
    table.add_column("stated by")
    for what, ours, paper, remark in sizes:
        table.add_row(what, f"{ours:,}", f"{paper:,.0f}", remark)
    console().print(table)


def print_notes(notes: list[str], groups: list[tuple[int, list[str]]]) -> None:
    """Further counts of a build, and its largest topic groups."""
    out = console()
    for note in notes:
        out.print(Text(note))
    for n, titles in groups:
        out.print(Text(f"topic group of {n}: " + _safe(" | ".join(titles)), "dim"))


def print_usage(usage: Usage | None) -> None:
    """How often each strategy is used."""
    out = console()
    if usage is None:
        out.print("not labelled yet; next: sad annotate label DIR")
        return
    table = Table("strategy", title=f"Labels of {usage.n:,} utterances", title_justify="left")
    table.add_column("utterances", justify="right")
    table.add_column("share", justify="right")
    for label, n in [*usage.labels.items(), *usage.stances.items()]:
        table.add_row(Text(label, COLOURS.get(label, "")), f"{n:,}", f"{n / usage.n:.1%}")
    out.print(table)
    out.print("from: " + "; ".join(f"{source} ({n:,})" for source, n in usage.sources.items()))


def print_listing(listing: pl.DataFrame) -> None:
    """The first dialogues of a folder."""
    table = Table(*listing.columns, title="Dialogues (first ones)", title_justify="left")
    for row in listing.iter_rows():
        table.add_row(*(Text(_safe(str(value))) for value in row))
    console().print(table)


def print_utterances(topic: str, utterances: pl.DataFrame) -> None:
    """Utterances with stance, strategies and coloured evidence, beside the guides of their tree."""
    out = console()
    out.print(Text(_safe(topic), "bold"))
    out.print(Text.assemble(*((f" {label} ", f"reverse {c}") for label, c in COLOURS.items())))
    for row in utterances.iter_rows(named=True):
        text = _coloured(row["text"], row["spans"] or [])
        for guide, part in ((row["guide"], _heading(row)), (row["below"] or "  ", text)):
            room = max(out.width - len(guide), 20)
            for n, line in enumerate(part.wrap(out, room, tab_size=4)):
                here = guide if n == 0 else row["below"] or "  "
                out.print(Text(here, "dim") + line, soft_wrap=True)


def _heading(row: dict[str, Any]) -> Text:
    heading = Text(row["utterance_id"], "bold")
    side = "no stance" if row["stance"] is None else STANCE_LABELS[row["stance"]]
    heading.append(f"  {side}", "cyan" if row["stance"] else "yellow")
    heading.append("  post's author" if row["is_op"] else "", "italic")
    heading.append("  earned a delta" if row["delta"] else "", "bold green")
    return heading.append("  " + " ".join(row["strategies"] or ["not labelled"]), "dim")


def _coloured(text: str, spans: list[dict[str, Any]]) -> Text:
    coloured = Text(_safe(text))
    for span in spans:
        coloured.stylize(COLOURS.get(span["label"], ""), span["start"], span["end"])
    return coloured


def _safe(text: str) -> str:
    """``text`` with control characters made visible, so that it cannot drive the terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
