"""Labelled sentences that we wrote: what the labellers of this package are trained on.

A batch is one text file, written in one go by one hand; ``CARD.md`` describes them. Licence:
CC BY 4.0. ``python -m annotate.training`` checks the files and prints what is in them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sad.errors import DataError
from sad.types import NO_STRATEGY, Stance, Strategy

HERE = Path(__file__).parent
HELD_OUT_BATCHES = ("08", "12")
"""One of single sentences, one of whole texts: nothing that ships ever learnt from them."""
_HELD_OUT_TOPICS = 0.1  # share of the topics of the other batches, likewise

_ALIKE = 0.6  # of the carrying words of the shorter topic
_COMMON = frozenset(
    """a all an and any are as at be by can do does for from has have in into is it its more must no
    not of on or should than that the their them they this to was were which who with would
    people countries country government state law new made make use used public""".split()  # noqa: SIM905
)

REGISTERS = {"f": "forum", "m": "formal", "s": "spoken"}

_LINE = re.compile(
    r"(?:(?P<register>[fms]) (?P<stance>[+\-0])|(?P<goes_on>&)) (?P<labels>S|Q?C?E?A?) \| "
    r"(?P<text>\S.*\S)"
)
_STANCES = {"+": Stance.SUPPORT, "-": Stance.OPPOSE, "0": None}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A labelled sentence; those of one utterance follow each other and share ``utterance``."""

    id: str
    utterance: str
    batch: str
    topic: str
    register: str
    stance: Stance | None  # towards the topic
    strategies: Strategy
    text: str


def batches(folder: Path = HERE) -> list[Path]:
    """The files of ``folder`` that hold training text."""
    return sorted(folder.glob("batch-*.txt"))


def load(files: Iterable[Path] | None = None) -> list[Sentence]:
    """The sentences of ``files``; default: all of this package.

    Raises:
        DataError: a line is not in the form that ``CARD.md`` describes.
    """
    return [sentence for file in files or batches() for sentence in _read(file)]


def held_out(sentence: Sentence) -> str | None:
    """``"batches"`` or ``"topics"`` where ``sentence`` is left for evaluation, else None."""
    if sentence.batch in HELD_OUT_BATCHES:
        return "batches"
    digest = hashlib.sha256(sentence.topic.encode()).digest()
    return "topics" if int.from_bytes(digest[:4], "big") < _HELD_OUT_TOPICS * 2**32 else None


def learnt_from(sentences: Iterable[Sentence]) -> list[Sentence]:
    """Those of ``sentences`` that may be learnt from: neither held out, nor near what is.

    Near are the topics that say nearly what a held-out one says, and sentences that repeat a
    held-out one.
    """
    given = list(sentences)
    apart = [sentence for sentence in given if held_out(sentence)]
    texts = {sentence.text.casefold() for sentence in apart}
    topics = {sentence.topic for sentence in given}
    kept_apart = [_words(topic) for topic in {sentence.topic for sentence in apart}]
    near = {t for t in topics if any(_alike(_words(t), other) for other in kept_apart)}
    return [s for s in given if s.topic not in near and s.text.casefold() not in texts]


def _words(topic: str) -> frozenset[str]:
    """The words that carry a topic, without their endings."""
    found = re.findall(r"[a-z]+", topic.lower())
    return frozenset(word[:5] for word in found if word not in _COMMON)


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one and other) and len(one & other) >= _ALIKE * min(len(one), len(other))


def utterances(sentences: Iterable[Sentence]) -> list[list[Sentence]]:
    """The sentences grouped by utterance, in order."""
    found: dict[str, list[Sentence]] = {}
    for sentence in sentences:
        found.setdefault(sentence.utterance, []).append(sentence)
    return list(found.values())


def whole(utterance: Sequence[Sentence]) -> tuple[str, Strategy]:
    """The text of an utterance, and the union of the strategies of its sentences."""
    strategies = NO_STRATEGY
    for sentence in utterance:
        strategies |= sentence.strategies
    return " ".join(sentence.text for sentence in utterance), strategies


def _read(file: Path) -> Iterator[Sentence]:
    batch = file.stem.removeprefix("batch-")
    topic, last = "", None
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(map(str.rstrip, lines), 1):
            if line.startswith("# "):
                topic, last = line.removeprefix("# "), None
            elif line:
                match = _LINE.fullmatch(line)
                if not match or not match["labels"] or not topic:
                    raise DataError(
                        file, "expected 's + CE | one sentence' below '# topic'", line=number
                    )
                last = _sentence(f"{batch}-{number:04d}", batch, topic, match, last)
                if last is None:
                    raise DataError(file, "'&' goes on with nothing", line=number)
                yield last


def _sentence(
    name: str, batch: str, topic: str, match: re.Match[str], last: Sentence | None
) -> Sentence | None:
    """The sentence of a line; None where it continues nothing."""
    strategies = Strategy(0)
    for strategy in Strategy:
        if strategy.letter in match["labels"]:
            strategies |= strategy
    if match["goes_on"]:
        return last and replace(last, id=name, strategies=strategies, text=match["text"])
    stance = _STANCES[match["stance"]]
    register = REGISTERS[match["register"]]
    return Sentence(name, name, batch, topic, register, stance, strategies, match["text"])
