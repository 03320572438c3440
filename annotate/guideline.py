"""The guideline, read from ``guideline.md``: one text for annotators, prompts and documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sad.types import STRATEGY_LABELS

PATH = Path(__file__).with_name("guideline.md")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the guideline says of one strategy; ``no`` pairs a text with why it is none."""

    label: str
    definition: str
    assign: tuple[str, ...]
    avoid: tuple[str, ...]
    yes: tuple[str, ...]
    no: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Guideline:
    """A version of the guideline; ``entries`` are in canonical order."""

    version: str
    intro: str
    entries: tuple[Entry, ...]
    ties: tuple[str, ...]
    stance: tuple[str, ...]


@cache
def load() -> Guideline:
    """The guideline of this package."""
    return parse(PATH.read_text(encoding="utf-8"))


def parse(text: str) -> Guideline:
    """The guideline written in ``text``.

    Raises:
        ValueError: it has no version, or not exactly the sections that it should have.
    """
    head = re.match(r"---\nversion: (\S+)\n---\n# [^\n]+\n", text)
    if not head:
        raise ValueError("a guideline begins with its version between two lines '---' and a title")
    intro, *parts = re.split(r"^## ", text[head.end() :], flags=re.MULTILINE)
    sections = {name.strip(): body for name, _, body in (part.partition("\n") for part in parts)}
    if list(sections) != [*STRATEGY_LABELS, "Ties", "Stance"]:
        raise ValueError(f"the sections are {list(sections)}")
    return Guideline(
        version=head[1],
        intro=intro.strip(),
        entries=tuple(_entry(label, sections[label]) for label in STRATEGY_LABELS),
        ties=_items(sections["Ties"]),
        stance=_items(sections["Stance"]),
    )


def _entry(label: str, body: str) -> Entry:
    names = ("Assign when", "Do not assign when", "Yes", "No")
    definition, *parts = re.split(rf"^({'|'.join(names)}):\n", body, flags=re.MULTILINE)
    if tuple(parts[::2]) != names:
        raise ValueError(f"{label} has the lists {parts[::2]}")
    assign, avoid, yes, no = (_items(part) for part in parts[1::2])
    return Entry(label, definition.strip(), assign, avoid, yes, tuple(_reasoned(x) for x in no))


def _items(body: str) -> tuple[str, ...]:
    return tuple(re.findall(r"^- (.+)$", body, flags=re.MULTILINE))


def _reasoned(item: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.+) \(([^()]+)\)", item)
    if not found:
        raise ValueError(f"{item!r} does not end with its reason in brackets")
    return found[1], found[2]
