"""Sentences: the unit that the guideline labels. One segmentation for all labellers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from sad.errors import MissingExtraError

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

_PARAGRAPH = re.compile(r"[^\n]+")
_OPENS = re.compile(r"[.?!…][^\w\s]*\s+([^\w\s]+)$")
# The tokeniser takes quadratic time on both; what it is given instead is as long.
_SIGNS = re.compile(r"(?:[^\w\s]|_){16,}")
_UNBROKEN = re.compile(r"\S{128,}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # no text, but language models and JSON give it
_KEPT = 16  # characters of an unbroken run at either end
_BATCH = 256  # paragraphs


@cache
def pipeline() -> Language:
    """A blank English pipeline that splits sentences by rule; shared, so add nothing to it.

    Raises:
        MissingExtraError: spaCy is not installed.
    """
    try:
        import spacy
    except ImportError:
        raise MissingExtraError("labels", "spacy") from None
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.max_length = 1 << 40  # the limit protects parsers, which this pipeline lacks
    return nlp


def paragraphs(texts: Sequence[str]) -> Iterator[list[tuple[int, Doc]]]:
    """For each text its paragraphs as (place of the first code point, parsed paragraph)."""
    pieces = (
        (_UNBROKEN.sub(_smoothed, _SIGNS.sub(_shortened, match[0])), (place, match.start()))
        for place, text in enumerate(texts)
        for match in _PARAGRAPH.finditer(_SURROGATE.sub("\ufffd", text))
    )
    found: list[tuple[int, Doc]] = []
    done = 0
    for doc, (place, offset) in pipeline().pipe(pieces, as_tuples=True, batch_size=_BATCH):
        while done < place:
            yield found
            found, done = [], done + 1
        found.append((offset, doc))
    while done < len(texts):
        yield found
        found, done = [], done + 1


def _shortened(run: re.Match[str]) -> str:
    """The run with spaces in place of most of its signs, so that all places stay as they are."""
    return run[0][:8] + " " * (len(run[0]) - 8)


def _smoothed(run: re.Match[str]) -> str:
    """The run as one word with its ends: a long address, or a text that is hostile."""
    return run[0][:_KEPT] + "x" * (len(run[0]) - 2 * _KEPT) + run[0][-_KEPT:]


def split(texts: Sequence[str]) -> Iterator[list[tuple[int, int]]]:
    """For each text where its sentences begin and end, in code points.

    White space around a sentence is left out, and it holds at least one letter or digit.
    """
    for text in paragraphs(texts):
        yield [place for offset, doc in text for place in _places(offset, doc)]


def _places(offset: int, doc: Doc) -> Iterator[tuple[int, int]]:
    """Where the sentences of a paragraph at ``offset`` begin and end."""
    whole, begin, opening = doc.text, 0, False
    for sentence in doc.sents:
        start = begin if opening else sentence.start_char
        text = whole[start : sentence.end_char]
        # The sentencizer leaves the signs that open a sentence to the one before.
        opens = _OPENS.search(text.rstrip()) if sentence.end < len(doc) else None
        opening = opens is not None
        if opens:
            begin, text = start + opens.start(1), text[: opens.start(1)]
        if any(map(str.isalnum, text)):
            start += len(text) - len(text.lstrip())
            yield offset + start, offset + start + len(text.strip())
