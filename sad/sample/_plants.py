"""What is planted: bodies that must fall, and marks in good bodies; and what each one does.

A body is laid out as ``prefix, opening, inner, text..., suffix``. A *kind* fills it whole; a
*mark* is one piece in the place of prefix, inner or suffix of a prose body. Each names the rule
that must drop the node, if any, and the cleaning steps that must change its text. That is written
down here by hand from the specification (4.5, 11.2), never asked of the build.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sad.sample._foreign import SENTENCES
from sad.sample._text import Pool, Prose, names, quoted

STEPS = (
    "entities", "invisible", "footnotes", "quotes", "links", "deltas", "edits", "markup", "users",
    "repeats", "spaces",
)  # fmt: skip
RULES = (
    "", "window", "deleted", "removed", "bot", "moderator", "meta", "empty", "short", "stopwords",
    "repetitive", "symbols", "language",
)  # fmt: skip
"""By number; the first one that fires is the reason."""

UNDECODABLE = "\x02"
"""Stands for bytes that are not UTF-8 until the line is written."""
_VARIANTS = 400  # different texts of a mark


def steps(names_: str) -> int:
    """The set of steps ``names_`` (separated by blanks) as bits."""
    return sum(1 << STEPS.index(name) for name in names_.split())


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of body: its pieces (of each, one is drawn), its rule and what changes it.

    ``names`` says of a template whether the name addressed stands after the prefix (1) and once
    more before the suffix (2).
    """

    rule: str = ""
    changes: int = 0
    prefix: Sequence[str] = ("",)
    opening: Sequence[str] = ("",)
    inner: str = ""
    suffix: str = ""
    names: int = 0


_CONFIRMED = "Confirmed: 1 delta awarded to /u/"
_WIKI = "/r/changemyview/wiki/"
_HIDDEN = (
    '\n\n[\u200b](HTTP://DB3PARAMSSTART\n{"comment": "hidden text for the bot", "issues": {}, '
    '"parentUserName": null}\nDB3PARAMSEND)'
)
_NOTICE = (
    " \u2013 your comment has been removed for breaking Rule 2:\n\n&gt; **Don't be rude or hostile "
    "to other users.**\n\nIf you would like to appeal, [message the moderators]"
    "(/message/compose?to=/r/changemyview)."
)
_AUTOMATED = (
    "**This is an automated note.** Keep to the view and not to the person behind it, and read the "
    "[rules](/r/changemyview/wiki/rules) before you answer."
)
_ONLY_FUNCTION_WORDS = (
    "So that is what it is, and that is all that there is to it.",
    "If it is not you, then who is it, and why is it not them?",
    "We had what they have now, and you have what we had then.",
    "It was not that I would not, but that I could not do it.",
)
_REPEATED = ("lol", "haha", "wrong", "nope", "boring", "spam")


def kinds(prose: Prose, rng: np.random.Generator) -> dict[str, Kind]:
    """The sorts of bodies by name, ``prose`` first; it and ``short`` are filled with fragments."""
    quotes = [f"&gt; {prose.sentence(rng)}" for _ in range(_VARIANTS)]
    links = [f"https://www.example.org/{name.lower()}" for name in names()[:_VARIANTS]]
    foreign = [
        " ".join(rows[i] for i in rng.permutation(len(rows))[: rng.integers(3, 6)])
        for rows in SENTENCES.values()
        for _ in range(_VARIANTS)
    ]
    table = [
        " ".join(f"{year}: {n:,};" for year, n in enumerate(row, 2001))
        for row in rng.integers(1000, 9_999_999, (_VARIANTS, 12))
    ]
    confirmed = steps("links deltas markup spaces")
    return {
        "prose": Kind(),
        "short": Kind("short"),
        "deleted": Kind("deleted", opening=["[deleted]"]),
        "removed": Kind("removed", opening=["[removed]"]),
        "confirmed": Kind(
            "bot", confirmed | steps("invisible"), [_CONFIRMED],
            inner=f" ([3\u2206]({_WIKI}user/", names=2,
            suffix=f")).\n\n^[Delta System Explained]({_WIKI}deltasystem) ^| ^[Deltaboards]"
            f"({_WIKI}deltaboards){_HIDDEN}",
        ),
        "confirmed_2016": Kind(
            "bot", confirmed, [_CONFIRMED], inner=f". ^[[History]({_WIKI}user/", suffix=")]",
            names=2,
        ),
        "confirmation": Kind(
            "bot", steps("deltas"), ["Confirmation: delta awarded to /u/"], names=1
        ),
        "refused": Kind(
            "bot", steps("users"),
            ["This delta has been rejected. The length of your comment suggests that you haven't "
             "properly explained how /u/"], inner=" changed your view (comment rule 4).", names=1,
        ),
        "automatic": Kind("bot", steps("links markup"), opening=[_AUTOMATED]),
        "notice": Kind(
            "moderator", steps("entities quotes links users spaces"), ["Sorry, u/"], inner=_NOTICE,
            names=1,
        ),
        "only_quote": Kind("empty", steps("entities quotes"), opening=quotes),
        "only_link": Kind("empty", steps("links"), opening=links),
        "function_words": Kind("stopwords", opening=_ONLY_FUNCTION_WORDS),
        "repeated": Kind(
            "repetitive", opening=[" ".join([w] * n) for w in _REPEATED for n in range(11, 40)]
        ),
        "figures": Kind("symbols", opening=table),
        "foreign": Kind("language", opening=foreign),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mark:
    """A piece in a good body: how it is made, what it changes, its share among the marks there."""

    make: Callable[[], str]
    changes: int
    weight: float


def _always(text: str) -> Callable[[], str]:
    return lambda: text


def prefixes(prose: Prose, rng: np.random.Generator) -> list[Mark]:
    """Quotes of the comment that is answered."""
    return [
        Mark(lambda: f"&gt; {prose.sentence(rng)}\n\n", steps("entities quotes spaces"), 0.7),
        Mark(lambda: f"> {prose.sentence(rng)}\n\n", steps("quotes spaces"), 0.3),
    ]


def inners(prose: Prose, rng: np.random.Generator) -> list[Mark]:
    """Marks after the first fragment.

    Weights: emphasis 21 %, links 9 % and 3 %, names 1 % and entities 2 % of the comments of
    cmv-priniski and cmv-modes, measured by us; the others are ours.
    """

    def words() -> str:
        return prose.texts[rng.integers(len(prose))]

    def name() -> str:
        return names()[rng.integers(len(names()))]

    def where() -> str:
        return f"https://www.example.org/{name().lower()}/{rng.integers(10**6)}"

    return [
        Mark(lambda: f"*{words()}* ", steps("markup"), 16),
        Mark(lambda: f"**{words()}** ", steps("markup"), 5),
        Mark(lambda: f"[{words()}]({where()}) ", steps("links"), 9),
        Mark(lambda: f"{where()} ", steps("links spaces"), 3),
        Mark(lambda: f"/u/{name()} ", steps("users"), 1),
        Mark(_always("&amp; "), steps("entities"), 2),
        Mark(_always("&#x200B;"), steps("entities invisible"), 0.5),
        Mark(_always("\u200b"), steps("invisible"), 0.5),
        Mark(_always("\u2028"), steps("invisible spaces"), 0.2),
        Mark(_always("the the "), steps("repeats"), 1),
        Mark(_always(" "), steps("spaces"), 3),
    ]


DAMAGED = {"nul": ("\x00", steps("invisible")), "undecodable": (UNDECODABLE, 0)}
"""Marks that damage the line, in the place of ``inners``."""


def edits(prose: Prose, rng: np.random.Generator) -> list[Mark]:
    """What authors add later."""
    forms = ("EDIT: ", "**Edit 2:** ", "Update: ", "edit - ")
    return [
        Mark(lambda f=f: f"\n\n{f}{prose.sentence(rng)}", steps("edits spaces"), 1)  # type: ignore[misc]
        for f in forms
    ]


def footnotes() -> list[Mark]:
    """The moderators' footnote below a post."""
    text = (
        "*Hello, users of CMV! This is a note from your moderators: argue with the view, and "
        "report what breaks the* ***[rules](/r/changemyview/wiki/rules)***. *Happy CMVing!*"
    )
    return [
        Mark(_always(f"\n\n_____\n\n&gt; {text}"), steps("entities footnotes spaces"), 0.6),
        Mark(_always(f"\n\n_____\n\n> {text}"), steps("footnotes spaces"), 0.4),
    ]


def tokens() -> list[Mark]:
    """What awards a delta. Weights: the 1,489 awards of cmv-priniski (data-sources.md)."""
    return [
        Mark(_always("\n\n\u2206"), steps("deltas spaces"), 809),
        Mark(_always("\n\n!delta"), steps("deltas spaces"), 365),
        Mark(_always("\n\n&#8710;"), steps("entities deltas spaces"), 147),
        Mark(_always(" \u0394"), steps("deltas spaces"), 90),
    ]


class Marks:
    """Marks for one place of a body as pieces; W is the number of pieces."""

    def __init__(self, pool: Pool, marks: Sequence[Mark]) -> None:
        texts: list[str] = []
        changes: list[int] = []
        weights: list[float] = []
        for mark in marks:
            mine = sorted({mark.make() for _ in range(_VARIANTS)})
            texts += mine
            changes += [mark.changes] * len(mine)
            weights += [mark.weight / len(mine)] * len(mine)
        self._first = pool.many([quoted(text) for text in texts])
        self._changes = np.array(changes)
        self._upto = np.cumsum(weights) / sum(weights)

    def draw(self, rng: np.random.Generator, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """``n`` pieces and what each changes."""
        chosen = np.searchsorted(self._upto, rng.random(n))
        chosen = np.minimum(chosen, len(self._upto) - 1)
        return self._first + chosen, self._changes[chosen]
