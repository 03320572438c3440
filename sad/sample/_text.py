"""Pieces: every string that a generated line is made of, each under a number.

A line is a run of piece numbers, so that numpy makes the lines and one join of polars writes them.
Pieces are ASCII and already escaped for JSON. Prose is recombined below the sentence from our own
sample: runs of ``RUN`` words (*fragments*) that end in a content word and hold a fair share of
function words, so that no chain of them trips over a rule or a cleaning step.
"""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

Index = NDArray[np.int64]
Pieces = NDArray[np.uint32]

RUN = (2, 6)
FRAGMENTS = 24_000
ENDS = 8  # forms of a fragment: within, ending, ending a paragraph, ending a text; twice: opening
SYLLABLES = 36**3
_LEAST_FUNCTION_WORDS = 0.3  # the build calls 0.25 English without looking closer

# Our own list: short function words, so that fragments can be balanced without the build's list.
FUNCTION_WORDS = frozenset(
    """
    a about after again all am an and any are as at be because been before being below between both
    but by can could did do does during each few for from further had has have he her here him his
    how i if in into is it its just me more most my no nor not now of off on once only or other our
    out over own same she should so some such than that the their them then there these they this
    those through to too under until up very was we were what when where which while who whom why
    will with would you your against above down having herself doing during hers
    """.split()  # noqa: SIM905  a page of words reads better than a page of quotes
)
# Words that open an edit or name what the build looks for.
_AVOIDED = ("edit", "update", "delta", "remov", "cmv", "award", "confirm", "sorry", "reject")
_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?,?$")
_STARTS = "Bra Cal Dor Ela Far Gre Hal Isa Jor Kel Lan Mar".split()  # noqa: SIM905
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


class Pool:
    """All pieces of one dump; number 0 is the empty one."""

    def __init__(self) -> None:
        self._texts = [""]
        self._known = {"": 0}
        self._series = pl.Series(dtype=pl.String)

    def add(self, text: str) -> int:
        """The number of ``text``."""
        if text not in self._known:
            self._known[text] = self.many([text])
        return self._known[text]

    def many(self, texts: list[str]) -> int:
        """The number of the first of ``texts``; the others follow."""
        self._texts += texts
        return len(self._texts) - len(texts)

    def series(self) -> pl.Series:
        """The pieces by number."""
        if len(self._series) < len(self._texts):
            self._series = pl.Series(self._texts, dtype=pl.String)
        return self._series


def quoted(text: str) -> str:
    """``text`` as it stands between the quotes of an ASCII JSON string."""
    return json.dumps(text)[1:-1]


@cache
def names() -> list[str]:
    """Invented proper names, all different, none with a plural s."""
    vowels, ends = "aeiou", ("bel", "dan", "fir", "gow", "lem", "mon", "nur", "pel", "rik", "tov")
    middles = [c + v for c, v in product("bdfgklmnprtvz", vowels)][:60]
    return [start + m + end for start, m, end in product(_STARTS, middles, ends)]


class Prose:
    """Fragments of the sample as pieces, shorter ones first; N is their number.

    Form f of fragment i is piece ``first + f * N + i``. ``fours`` and ``fives`` say where the
    fragments of at least four and five words begin. ``titled`` are those with one or two content
    words, for titles.
    """

    def __init__(self, pool: Pool, rng: np.random.Generator) -> None:
        self.texts = _fragments(rng)
        n_words = np.array([text.count(" ") + 1 for text in self.texts])
        self.n_words = n_words
        self.fours, self.fives = (int(np.searchsorted(n_words, n)) for n in (4, 5))
        self.mean_words = float(n_words.mean())
        self.plain = [text.replace(",", "").lower().replace("'", " ") for text in self.texts]
        content = [len(set(text.split()) - FUNCTION_WORDS) for text in self.plain]
        fit = [
            0 < n <= 2 and not any(map(str.isdigit, t))
            for n, t in zip(content, self.texts, strict=True)
        ]
        self.titled = np.flatnonzero(fit)
        opened = [text[0].upper() + text[1:] for text in self.texts]
        marks = ["?" if i % 9 == 0 else "!" if i % 61 == 0 else "." for i in range(len(opened))]
        self.first = pool.many([])
        for form in (self.texts, opened):
            pool.many([text + (", " if i % 13 == 0 else " ") for i, text in enumerate(form)])
            for end in (" ", "\\n\\n", ""):
                pool.many([text + mark + end for text, mark in zip(form, marks, strict=True)])

    def __len__(self) -> int:
        return len(self.texts)

    def sentence(self, rng: np.random.Generator, n: int = 3) -> str:
        """A sentence of ``n`` fragments."""
        text = " ".join(self.texts[i] for i in rng.integers(0, len(self), n))
        return text[0].upper() + text[1:] + "."

    def forms(self, rng: np.random.Generator, fragment: Index, first: Index, last: Index) -> Pieces:
        """The pieces of ``fragment``, a run of texts, divided into sentences and paragraphs.

        Args:
            rng: where sentences end.
            fragment: fragment numbers of all texts, one after the other.
            first: where each text begins.
            last: where each text's last fragment is; a text of one fragment is one sentence.
        """
        # 19 words a sentence: measured on cmv-priniski and cmv-modes (19.1).
        ends = rng.random(len(fragment)) < self.mean_words / 19.1
        ends[first] = False
        ends[last] = True
        opens = np.concatenate([[True], ends[:-1]])
        # 3.8 paragraphs of 170 words: measured on cmv-priniski and cmv-modes; 9 sentences.
        breaks = ends & (rng.random(len(fragment)) < 0.31)
        form = ends + breaks.astype(np.int64)
        form[last] = 3
        pieces: Pieces = (self.first + (form + 4 * opens) * len(self) + fragment).astype(np.uint32)
        return pieces


def _fragments(rng: np.random.Generator) -> list[str]:
    found: dict[str, None] = {}
    for line in (Path(__file__).parent / "gold.jsonl").read_text(encoding="utf-8").splitlines():
        for sentence in re.split(r"(?<=[.!?])\s+", json.loads(line)["text"]):
            words = sentence.split()
            if words and not words[0].startswith("I"):
                words[0] = words[0].lower()
            for start in range(len(words)):
                for n in range(RUN[0], RUN[1] + 1):
                    run = words[start : start + n]
                    if len(run) == n and _is_fit(run):
                        found[" ".join(run).rstrip(",")] = None
    chosen = rng.permutation(len(found))[:FRAGMENTS]
    texts = list(found)
    rare = _with_rare_words(rng, FRAGMENTS // 8)
    return sorted({*(texts[i] for i in chosen), *rare}, key=lambda t: (t.count(" "), t))


def _is_fit(run: list[str]) -> bool:
    if not all(map(_WORD.match, run)):
        return False
    words = [word.rstrip(",").lower() for word in run]
    share = sum(word in FUNCTION_WORDS for word in words) / len(words)
    ends_well = words[-1] not in FUNCTION_WORDS and "'" not in words[-1]
    avoided = any(part in word for word in words for part in _AVOIDED)
    return ends_well and share >= _LEAST_FUNCTION_WORDS and not avoided


def _with_rare_words(rng: np.random.Generator, n: int) -> list[str]:
    forms = (
        "in {name}", "by the {number} of {name}", "not before {year}", "from {name}",
        "at the {name} works", "more than {number}", "about {number} of the {name} people",
        "all of {name}", "over {number} a year", "after the {name} case of {year}",
    )  # fmt: skip
    known = names()
    return [
        forms[i % len(forms)].format(
            name=known[rng.integers(len(known))],
            number=f"{rng.integers(11, 9999):,}",
            year=rng.integers(1890, 2016),
        )
        for i in range(n)
    ]


class Digits:
    """Numbers as pieces: decimal in groups of three and four digits, base 36 in groups of three."""

    def __init__(self, pool: Pool) -> None:
        self._threes = pool.many([f"{n:03d}" for n in range(1000)])
        self._fours = pool.many([f"{n:04d}" for n in range(10_000)])
        self._base36 = pool.many(["".join(letters) for letters in product(_BASE36, repeat=3)])
        self._letter = pool.many(list(_BASE36))

    def time(self, seconds: Index) -> list[Index]:
        """Columns of the ten digits of ``seconds``."""
        high, low = np.divmod(seconds, 1_000_000)
        return [self._fours + high, self._threes + low // 1000, self._threes + low % 1000]

    def name(self, number: Index) -> list[Index]:
        """Columns of ``number`` in base 36, seven digits."""
        high, low = np.divmod(number, SYLLABLES)
        return [self._letter + high // SYLLABLES, *self.short(high % SYLLABLES * SYLLABLES + low)]

    def short(self, number: Index) -> list[Index]:
        """Columns of ``number`` in base 36, six digits."""
        high, low = np.divmod(number, SYLLABLES)
        return [self._base36 + high, self._base36 + low]
