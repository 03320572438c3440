"""Rules over sentences: interrogatives, and the constructions that carry causes, cases, parallels.

A sentence takes every label whose constructions (``annotate.constructions``) it holds; a sentence
without any is a Statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_

from annotate import sentences
from annotate.constructions import ANALOGY, CAUSALITY, EXAMPLE, QUESTION, Constructions
from annotate.labeller import Item, Kind, Label, joined
from sad.settings import Settings as BaseSettings
from sad.types import NO_STRATEGY, Strategy

CALIBRATION = {
    Strategy.QUESTION: (0.767, 0.015),
    Strategy.CAUSALITY: (0.759, 0.112),
    Strategy.EXAMPLE: (0.553, 0.093),
    Strategy.ANALOGY: (0.514, 0.083),
    Strategy.STATEMENT: (0.898, 0.468),
}
"""P(label | rule fired), P(label | it did not) per utterance, with one added to each count.

They are not thresholds: a label that did not fire can still be likely, where the rule misses much.
Measured on ``annotate.calibration.utterances`` (n = 698), on which no rule was written, by
``annotate.calibration.measured``; a test measures again.
"""

_MARKS = 20  # code points at the end of a sentence among which its question mark is
_READ = 1000  # code points of a sentence: longer ones are no English, and patterns stay linear
_LEAD = (
    r"[^\w\"“]*(?:(?:and|but|so|well|now|look|yes|no|oh|ok|okay|then|because|like|uh|um|er|right|or|"
    r"i mean|you know|frankly|honestly)\b[,\s]+)*"
)
_NEVER = re.compile(r"(?!)")
_ENDS_AS_QUESTION = re.compile(r"\?[!?.]*[)\]*_]*$")


class _Rule:
    """Whether a sentence holds one of the constructions of a label."""

    def __init__(self, constructions: Constructions) -> None:
        self._opening = _compiled(_LEAD, constructions.opening)
        self._inside = _compiled(r"\b", constructions.inside)
        self._named = _compiled("", constructions.named)
        self._never = _compiled(r"\b", constructions.never)

    def holds(self, sentence: str, lower: str) -> bool:
        """Whether any construction is in ``sentence``, which ``lower`` repeats in lower case."""
        found = (
            self._opening.match(lower)
            or self._inside.search(lower)
            or self._named.search(sentence, 0, _READ)
        )
        return found is not None and not self.denied(lower)

    def denied(self, lower: str) -> bool:
        """Whether a construction of ``never`` is in it."""
        return self._never.search(lower) is not None


def _compiled(before: str, patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile(f"{before}(?:{'|'.join(patterns)})") if patterns else _NEVER


_QUESTION = _Rule(QUESTION)
_RULES = {
    Strategy.CAUSALITY: _Rule(CAUSALITY),
    Strategy.EXAMPLE: _Rule(EXAMPLE),
    Strategy.ANALOGY: _Rule(ANALOGY),
}


class Settings(BaseSettings):
    """Settings of ``cues``: there are none."""


class Cues:
    """The labeller ``cues``."""

    name = "cues"
    source = "heuristic"
    kind: Kind = "strategies"
    model = None
    prompt_digest = None
    alone = False

    def label(self, items: Sequence[Item]) -> Iterator[Label]:
        """One label per item, in order."""
        split = sentences.split([item.text for item in items])
        for item, places in zip(items, split, strict=True):
            sets = [_strategies(item.text, start, end) for start, end in places]
            yield joined(item, places, sets, _scores(reduce(or_, sets, NO_STRATEGY)))


def _strategies(text: str, start: int, end: int) -> Strategy:
    """The strategies of the sentence from ``start`` to ``end`` of ``text``."""
    sentence = text[start:end].replace("’", "'")
    lower = sentence[:_READ].lower()
    found = NO_STRATEGY
    for strategy, rule in _RULES.items():
        if rule.holds(sentence, lower):
            found |= strategy
    if _asks(sentence, lower, text[text.rfind("\n", 0, start) + 1 : start]):
        found |= Strategy.QUESTION
    return found or Strategy.STATEMENT


def _asks(sentence: str, lower: str, before: str) -> bool:
    """Whether a sentence asks, in its own voice, something that may carry an argument.

    Args:
        sentence: its text.
        lower: its text in lower case.
        before: what stands before it in its paragraph.
    """
    if _ENDS_AS_QUESTION.search(sentence[-_MARKS:]):
        if _QUESTION.denied(lower):
            return False
    elif not _QUESTION.holds(sentence, lower):
        return False
    inside = before.count('"') % 2 == 1 or before.count("“") > before.count("”")
    return not inside and not sentence.count('"') % 2 and "”" not in sentence


def _scores(fired: Strategy) -> tuple[float, ...]:
    whole = fired or Strategy.STATEMENT
    return tuple(CALIBRATION[s][0 if s in whole else 1] for s in Strategy)


def build(settings: Settings) -> Cues:
    """The labeller; ``settings`` has nothing to set."""
    return Cues()
