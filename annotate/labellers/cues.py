"""Rules over sentences: interrogatives, and the constructions that carry causes, cases, parallels.

A sentence takes every label one of whose patterns matches it; a sentence without any is a
Statement. Patterns are general constructions of English, written from the guideline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from annotate.labeller import Item, Label
from sad.errors import MissingExtraError
from sad.settings import Settings as BaseSettings
from sad.types import Span, Strategy

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

CALIBRATION = {
    Strategy.QUESTION: (0.994, 0.025),
    Strategy.CAUSALITY: (0.764, 0.590),
    Strategy.EXAMPLE: (0.769, 0.488),
    Strategy.ANALOGY: (0.500, 0.360),
    Strategy.STATEMENT: (0.897, 0.722),
}
"""P(label | rule fired), P(label | it did not) per utterance, with one added to each count.

They are not thresholds: a label that did not fire can still be likely, where the rule misses much.
Measured on the sample's gold (n = 431) by ``annotate.calibration.measured``; a test measures again.
"""

_BE = ["is", "are", "was", "were", "be", "been", "being", "'s", "'re"]
_KIN = """
    uncle aunt mother mum mom father dad sister brother son daughter cousin neighbour neighbor
    friend colleague wife husband boss teacher grandmother grandfather gran grandad nephew niece
    roommate flatmate landlord coworker school town street village office team employer
""".split()  # noqa: SIM905
_PAST = """
    was were had went got took made said told saw came lost paid bought spent left worked lived
    moved started stopped tried ended became found kept gave put sat stood ran taught used asked
    decided closed opened cost sold won met
""".split()  # noqa: SIM905


def _lower(*words: str) -> list[dict[str, Any]]:
    return [{"LOWER": word} for word in words]


def _any(*words: str) -> dict[str, Any]:
    return {"LOWER": {"IN": list(words)}}


_GAP = {"IS_PUNCT": False, "OP": "{1,6}"}

PATTERNS: dict[Strategy, list[list[dict[str, Any]]]] = {
    Strategy.CAUSALITY: [
        _lower("because"),
        _lower("due", "to"),
        _lower("thanks", "to"),
        [_any("therefore", "thus", "hence", "consequently", "thereby")],
        _lower("as", "a", "result"),
        [_any("as"), {"OP": "?"}, _any("consequence")],
        _lower("so", "that"),
        [{"TEXT": {"IN": [",", ";"]}}, _any("so"), {"IS_PUNCT": False}],
        _lower("which", "is", "why"),
        _lower("that", "is", "why"),
        _lower("that", "'s", "why"),
        [_any("lead", "leads", "led", "leading"), _any("to")],
        [_any("result", "results", "resulted", "resulting"), _any("in")],
        [_any("cause", "causes", "caused", "causing", "trigger", "triggers", "triggered")],
        [_any("prevent", "prevents", "prevented", "preventing", "discourages", "encourages")],
        [_any("make", "makes", "made", "making"), _GAP, _any(
            "more", "less", "harder", "easier", "worse", "better", "impossible", "cheaper",
            "safer", "poorer", "richer", "them", "it", "people", "everyone")],
        [_any("force", "forces", "forced", "drives", "drove", "pushes", "pushed", "turns",
              "turned", "lets", "keeps", "kept", "stops", "stopped"), _GAP,
         _any("to", "into", "from", "out", "up", "down", "off")],
        [_any("allow", "allows", "allowed", "enable", "enables", "enabled"), _GAP, _any("to")],
        [_any("mean", "means", "meant"), {"LOWER": "that", "OP": "?"}, _GAP,
         _any("will", "would", "can", "cannot", "can't", "gets", "goes", "has", "have")],
        [_any("if", "once", "when"), {"IS_PUNCT": False, "OP": "{2,14}"}, {"TEXT": ","},
         {"OP": "{0,4}"}, _any("will", "would", "'ll", "'d", "wo", "ca", "wouldn't")],
        [_any("the"), _any("more", "less", "fewer", "higher", "longer", "cheaper"), {"OP": "{1,9}"},
         _any("the"), _any("more", "less", "fewer", "higher", "longer", "worse", "better")],
    ],
    Strategy.EXAMPLE: [
        [_any("for"), _any("example", "instance")],
        [_any("e.g.", "e.g", "eg")],
        _lower("such", "as"),
        _lower("case", "in", "point"),
        [_any("take", "consider", "imagine", "suppose", "picture"), {"LOWER": {"IN": [
            "a", "an", "the", "my", "your", "someone", "somebody", "two", "this", "that"]}}],
        [_any("last"), _any("year", "month", "week", "summer", "winter", "spring", "autumn",
                            "night", "tuesday", "time")],
        [_any("in"), {"SHAPE": "dddd"}],
        [_any("my", "our", "his", "her"), {"IS_ALPHA": True, "OP": "?"}, _any(*_KIN)],
        [_any("i", "we"), {"LOWER": {"IN": ["once", "just", "never", "also", "had"]}, "OP": "?"},
         _any(*_PAST)],
        [_any("when", "where"), _any("i", "we"), _any(*_PAST, "live", "work", "am")],
        [{"LIKE_NUM": True}, {"LOWER": {"IN": ["%", "percent", "per", "people", "years", "euros",
         "dollars", "pounds", "months", "hours", "minutes", "families", "students", "pupils"]}}],
        [_any("of", "in"), _any("ours", "mine")],
        _lower("a", "friend", "of"),
        [_any("where"), _any("i"), _any("live", "lived", "work", "worked", "grew")],
    ],
    Strategy.ANALOGY: [
        [_any(*_BE, "seems", "sounds", "feels", "looks", "works", "just"),
         {"LOWER": {"IN": ["a", "bit", "rather", "more", "exactly", "much", "just", "a little"]},
          "OP": "{0,2}"},
         _any("like"), _any("a", "an", "the", "saying", "asking", "telling", "calling", "blaming",
                            "banning", "judging", "claiming", "having", "putting", "buying")],
        _lower("like", "saying"),
        [_any("would"), _any("be"), _any("like")],
        [_any("the", "that", "this"), _any("same"), _any("logic", "reasoning", "argument", "way")],
        _lower("by", "that", "logic"),
        _lower("just", "as"),
        _lower("in", "the", "same", "way"),
        [_any("analogous", "akin", "tantamount", "analogy", "equivalent", "comparable")],
        [_any("no", "not"), {"LOWER": {"IN": ["any", "so", "that", "much"]}, "OP": "?"},
         _any("different"), _any("from", "than", "to")],
        [_any("as"), _any("if", "though"), {"OP": "+"}, _any("were")],
        [_any("we", "nobody", "you"), {"LOWER": {"IN": ["do", "would", "did"]}},
         {"LOWER": {"IN": ["n't", "not", "never"]}, "OP": "?"},
         _any("ban", "blame", "ask", "tell", "judge", "stop", "call", "abolish", "charge"),
         {"OP": "{1,8}"}, _any("because", "for", "when", "if")],
    ],
}  # fmt: skip

# "I think so because ..." gives a reason for a belief, not a cause.
_BELIEF = re.compile(r"\b(?:think|believe|know|feel|say|guess|assume|suspect)\b[^,.;]*\bbecause\b")
_COURTESY = re.compile(r"^(?:\W*(?:right|ok|okay|no|yes|huh|eh|sorry|pardon|source|link)\W*\?)$")
_REQUEST = re.compile(r"\b(?:link|source|citation)s?\b[^?]*\?\W*$")
_ENDS_AS_QUESTION = re.compile(r"\?[!?.]*[)\]*_]*\s*$")
_PARAGRAPH = re.compile(r"[^\n]+")


class Settings(BaseSettings):
    """Settings of ``cues``."""

    batch_size: int = Field(256, ge=1, description="Paragraphs per batch. Source: ours")


class Cues:
    """The labeller ``cues``."""

    name = "cues"
    source = "heuristic"

    def __init__(self, settings: Settings) -> None:
        try:
            import spacy
            from spacy.matcher import Matcher
        except ImportError:
            raise MissingExtraError("labels", "spacy") from None
        self._batch_size = settings.batch_size
        self._nlp: Language = spacy.blank("en")
        self._nlp.add_pipe("sentencizer")
        self._nlp.max_length = 1 << 40  # the limit protects parsers, which this pipeline lacks
        self._matcher = Matcher(self._nlp.vocab)
        for strategy, patterns in PATTERNS.items():
            self._matcher.add(strategy.label, patterns)

    def label(self, items: Sequence[Item]) -> Iterator[Label]:
        """One label per item, in order."""
        pieces = (
            (match[0], (place, match.start()))
            for place, item in enumerate(items)
            for match in _PARAGRAPH.finditer(item.text)
        )
        spans: list[Span] = []
        done = 0
        piped = self._nlp.pipe(pieces, as_tuples=True, batch_size=self._batch_size)
        for doc, (place, offset) in piped:
            while done < place:
                yield _label(items[done], spans)
                spans, done = [], done + 1
            spans += self._spans(doc, offset)
        while done < len(items):
            yield _label(items[done], spans)
            spans, done = [], done + 1

    def _spans(self, doc: Doc, offset: int) -> Iterator[Span]:
        for sentence in doc.sents:
            text = sentence.text.strip()
            if not any(character.isalnum() for character in text):
                continue
            start = offset + sentence.start_char
            start += len(sentence.text) - len(sentence.text.lstrip())
            names = {self._nlp.vocab.strings[match[0]] for match in self._matcher(sentence)}
            found = Strategy.from_labels(names)
            if _BELIEF.search(text.lower()):
                found &= ~Strategy.CAUSALITY
            if _is_question(text, doc.text[: sentence.start_char]):
                found |= Strategy.QUESTION
            for strategy in found or Strategy.STATEMENT:
                yield Span(strategy, start, start + len(text))


def _is_question(sentence: str, before: str) -> bool:
    """Whether ``sentence`` asks, in its own voice, something that may carry an argument."""
    if not _ENDS_AS_QUESTION.search(sentence):
        return False
    inside_quotation = before.count('"') % 2 == 1 or before.count("“") > before.count("”")
    closes = sentence.count('"') % 2 == 1 or "”" in sentence
    lower = sentence.lower()
    courtesy = _COURTESY.match(lower) or _REQUEST.search(lower)
    return not courtesy and not inside_quotation and not closes


def _label(item: Item, spans: list[Span]) -> Label:
    fired = Strategy(0)
    for span in spans:
        fired |= span.label
    if (
        not fired and item.text.strip()
    ):  # nothing but symbols: an utterance has a label all the same
        fired = Strategy.STATEMENT
        spans = [Span(fired, 0, len(item.text))]
    scores = tuple(CALIBRATION[s][0 if s in fired else 1] for s in Strategy)
    return Label(fired, scores if fired else (0.0,) * len(Strategy), tuple(spans))


def build(settings: Settings) -> Cues:
    """The labeller with ``settings``."""
    return Cues(settings)
