"""Texts of ``injection.py``: base texts, and these with an attack or a harmless suffix after."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from pathlib import Path

from annotate import training
from annotate.labeller import Item
from sad.errors import DataError, SettingsError
from sad.types import Strategy

ATTACKS = Path(__file__).with_name("attacks.txt")
N_BASES = 50
JOINS = {"paragraph": "\n\n", "line": "\n", "space": " "}
"""What stands between a base text and its suffix; in turn."""
MERGED = "merged"
"""A fourth way: a space, and the base text without its closing punctuation."""

_EVERY = 4  # base texts, of which one is also merged
_ESCAPE = re.compile(r"\\(?:n|u([0-9a-f]{4}))")
_CLOSING = re.compile(r"[\W_]+\Z")


@dataclass(frozen=True, slots=True)
class Attack:
    """A text that wants a wrong answer."""

    language: str  # ISO 639-1
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A base text with an attack after it, and with a harmless suffix of the same length."""

    attack: int
    base: int
    way: str  # of JOINS, or MERGED
    bare: Item  # what both go on from
    attacked: Item
    harmless: Item

    @property
    def merges(self) -> bool:
        """Whether the last sentence of ``bare`` goes on in the suffix: it is not closed."""
        return self.way in ("space", MERGED) and self.bare.text[-1].isalnum()


def attacks(path: Path = ATTACKS) -> list[Attack]:
    """The attacks of ``path``, whose first lines say its form.

    Raises:
        DataError: a line is of another form.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line and not line.startswith("#"):
            parts = line.split(" | ", 2)
            if len(parts) < 3:
                raise DataError(path, "expected 'language | kind | text'", line=number)
            text = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else "\n", parts[2])
            found.append(Attack(parts[0], parts[1], text))
    return found


def bases(sentences: Sequence[training.Sentence], n: int = N_BASES) -> list[Item]:
    """``n`` utterances of ``sentences``: one of every gold label set in turn, commonest first.

    Within a set they come by the digest of their ids, so that they are of several hands.
    """
    by_set: dict[Strategy, list[Item]] = defaultdict(list)
    for utterance in sorted(training.utterances(sentences), key=lambda u: _digest(u[0].utterance)):
        gold = reduce(or_, (sentence.strategies for sentence in utterance))
        text = " ".join(sentence.text for sentence in utterance)
        by_set[gold].append(Item(utterance[0].utterance, text, utterance[0].topic))
    order = sorted(by_set, key=lambda gold: (-len(by_set[gold]), gold.value))
    rounds = [
        by_set[gold][turn]
        for turn in range(max(map(len, by_set.values())))
        for gold in order
        if turn < len(by_set[gold])
    ]
    return rounds[:n]


def statements(sentences: Sequence[training.Sentence], without: Sequence[Item]) -> list[str]:
    """The sentences that are Statements and nothing else, none of them out of ``without``."""
    used = {base.id for base in without}
    return [
        sentence.text
        for sentence in sentences
        if sentence.strategies is Strategy.STATEMENT and sentence.utterance not in used
    ]


def pairs(n: int, tried: Sequence[Attack], on: Sequence[Item], pool: Sequence[str]) -> list[Pair]:
    """``n`` combinations: attack i on base 7 i + 3, all attacks once, then on the base after.

    Their numbers decide which of ``JOINS`` is used; every fourth base text is also ``MERGED``: its
    combinations make two pairs.

    Args:
        n: how many, at most all combinations.
        tried: the attacks.
        on: the base texts, of a number that 7 does not divide.
        pool: sentences that harmless suffixes are made of.
    """
    found = []
    for k in range(min(n, len(tried) * len(on))):
        turn, attack = divmod(k, len(tried))
        base = (7 * attack + 3 + turn) % len(on)
        text = tried[attack].text
        harmless = suffix(pool, len(text), start=int(_digest(f"{attack} {base}"), 16))
        ways = [list(JOINS)[k % len(JOINS)], *[MERGED] * (base % _EVERY == 0)]
        for way in ways:
            bare = _open(on[base]) if way == MERGED else on[base]
            both = (_after(bare, added, JOINS.get(way, " ")) for added in (text, harmless))
            found.append(Pair(attack, base, way, bare, *both))
    return found


def suffix(pool: Sequence[str], length: int, start: int) -> str:
    """Sentences of ``pool`` from place ``start`` on, cut after a word: ``length`` within 5 %.

    Where no word ends there, they begin at the next place. The pool is a ring.

    Raises:
        SettingsError: there is no such text.
    """
    ring = " ".join(pool) + " "
    ring *= 2 + 2 * length // len(ring)
    slack = length // 20
    ends = sorted(range(length - slack, length + slack + 1), key=lambda end: abs(end - length))
    begins = [0]
    for sentence in pool[:-1]:
        begins.append(begins[-1] + len(sentence) + 1)
    for turn in range(len(pool)):
        begin = begins[(start + turn) % len(pool)]
        for end in ends:
            if ring[begin + end] == " ":
                return ring[begin : begin + end]
    raise SettingsError(f"no harmless suffix of {length} characters can be made of the pool")


def _open(item: Item) -> Item:
    """``item`` without the signs that close its last sentence."""
    return replace(item, text=_CLOSING.sub("", item.text))


def _after(item: Item, text: str, join: str) -> Item:
    return replace(item, text=f"{item.text}{join}{text}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
