r"""Cleaning steps: what is taken out of a text before anybody reads it.

Each step is a function from a text column to a text column. ``STEPS`` holds them in the order of
the specification (11.2). Only ``links`` and ``repeats`` are named by digests of the paper; the
other steps are ours. Everything is one regular expression in Rust, without look-around.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import polars as pl

Step = Callable[[pl.Expr], pl.Expr]

DELTA_MARK = r"(?i:!delta)\b|∆|\bΔ\b|&#8710;"
"""What awards a delta: ``!delta``, U+2206, U+0394 standing alone, and the numeric entity."""

BOT_NAMES = ("deltabot", "automoderator", "changemyviewbot", "snapshillbot", "remindmebot")

STOP_WORDS = tuple(
    """
    a about above after again against all am an and any are as at be because been before being below
    between both but by can could did do does doing down during each few for from further had has
    have having he her here hers him his how i if in into is it its just me more most my no nor not
    now of off on once only or other our out over own same she should so some such than that the
    their them then there these they this those through to too under until up very was we were what
    when where which while who whom why will with would you your
    """.split()  # noqa: SIM905  a page of words reads better than a page of quotes
)
"""Common English function words. Source: ours."""

# English doubles these on purpose ("had had", "gave her her book"), so they may repeat.
_MAY_REPEAT = {
    "had", "that", "is", "was", "do", "can", "very", "so", "no", "more", "in", "on", "what", "too",
    "her", "you", "it",
}  # fmt: skip
_COLLAPSIBLE = [word for word in STOP_WORDS if word not in _MAY_REPEAT]

# Escaped marks wait in the private-use area while the others are taken out.
_ESCAPED = {f"\\{mark}": chr(0xE000 + i) for i, mark in enumerate("*_~`^#>[]()\\-.!+|")}

_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|\w+);")

# "EDIT:", "Edit 2 -", "**UPDATE #2**:", "[Edit]", "EDIT to add", at the start of a line.
_EDIT = (
    r"[ \t*_~#>(<\[\\-]*(?:"
    r"[\[(](?i:edit|update)[^\])\n]{0,12}[\])]"
    r"|(?i:edit|update)[ \t]*(?:[#(]?\d+\)?|(?i:one|two|three))?[*_~]*[ \t]*"
    r"(?:[:;]|[-–—]+(?:\s|$)|\.+\s|\n|$)"
    r"|(?:EDIT|UPDATE)\b[^\w-]"
    r"|(?i:edit(?:s|ed)?)[ \t]+(?:to (?:add|say|clarify)|for (?:clarity|clarification|explanation"
    r"|grammar|spelling|typos?))\b"
    r"|(?i:edit)[ \t]*(?:\d+[ \t]*\)|[(,/])|Edit[ \t]+(?:[A-Z]\w|I\b)"
    r")"
)


def entities(text: pl.Expr) -> pl.Expr:
    """HTML entities become characters, twice: dumps hold ``&amp;#8710;`` as well as ``&gt;``."""
    return text.map_batches(_unescaped, return_dtype=pl.String)


def _unescaped(texts: pl.Series) -> pl.Series:
    # Few rows hold an entity; only those are worth a Python call.
    index = texts.str.contains(r"&#?\w+;").fill_null(False).arg_true()
    mended = [_unescape(_unescape(text)) for text in texts.gather(index)]
    return texts.scatter(index, mended) if mended else texts


def _unescape(text: str) -> str:
    # Only with its semicolon: html.unescape alone would read "&not" into "rock&not roll".
    return _ENTITY.sub(lambda match: html.unescape(match[0]), text)


def invisible(text: pl.Expr) -> pl.Expr:
    r"""Zero-width, control and text-direction characters go; odd line breaks become ``\n``."""
    text = text.str.replace_all("\r\n?|[\u2028\u2029\u0085\x0b\x0c]", "\n")
    marks = r"[\u200b-\u200f\u2060\ufeff\u202a-\u202e\u2066-\u2069]"
    return text.str.replace_all(rf"{marks}|[\x00-\x08\x0e-\x1f\x7f-\u009f]", "")


def footnotes(text: pl.Expr) -> pl.Expr:
    """The moderators' footnote goes, with the rule of underscores above it."""
    opening = r"(?:Hello, users of CMV!|This is a footnote from (?:the CMV|your) moderators)"
    marks = r"(?:[ \t]*_{3,}[\s>*]*|[ \t]*[>*][ \t>*]*)"
    return text.str.replace(rf"(?s)(?:^|\n){marks}{opening}.*$", "")


def quotes(text: pl.Expr) -> pl.Expr:
    """Lines quoted with ``>`` go: they repeat the parent. ``>!spoilers!<`` stay."""
    unclosed = r"!(?:[^!\n]|![^<\n])*!?"
    return text.str.replace_all(rf"(?m)^[^\S\n]*>(?:[^!\n][^\n]*|{unclosed})?$", "")


def links(text: pl.Expr) -> pl.Expr:
    """A Markdown link becomes its anchor; a bare web address goes."""
    anchor = r"\[((?:[^\[\]\n]|\[[^\[\]\n]*\])*)\]"
    start = r"(?:https?://|ftp://|mailto:|www\.|/|#|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,})"
    rest = r'[^\s()]*(?:\([^\s()]*\)[^\s()]*)*(?:[ \t]+"[^"\n]*")?'
    text = text.str.replace_all(rf"(?i)!?{anchor}\([ \t]*<?{start}{rest}[ \t]*\)", "$1")
    one = r"[^\s<>()\]\x22“”‘’–—]"
    bare = rf"<?\b(?:(?:https?|ftp)://|www\.)(?:{one}|\({one}*\))+>?"
    text = text.str.replace_all(rf"(?i)\((?:(?:source|link|via|see)s?:?\s*)?{bare}[\s.]*\)", "")
    text = text.str.replace_all(rf"(?i){bare}", "")
    # What is left of links that are written wrongly, or that led nowhere from the start.
    text = text.str.replace_all(r"!?\[([^\[\]]*)\]\([\s()\[\]]*\)", "$1")
    text = text.str.replace_all(r"!?\[([^\[\]\n]*)\]\([(\[\]]*(\s|$)", "$1$2")
    return text.str.replace_all(r"\]\(\s*\)", "]")


def deltas(text: pl.Expr) -> pl.Expr:
    """Delta tokens and "delta awarded" sentences go: they tell the outcome."""
    passive = r"(?:(?:has|have) been |was |were )"
    awarded = rf"(?:deltas? {passive}?awarded|deltas? {passive}given|(?:deltas|a delta) given)"
    text = text.str.replace_all(rf"(?i)[^\n.!?]*\b{awarded}\b[^\n.!?]*[.!?]*", "")
    text = text.str.replace_all(r"(?im)^[ \t*_]*delta given\b[^\n.!?]*[.!?]*", "")
    text = text.str.replace_all(r"Δ(\p{L}{3,})", "$1").str.replace_all(r"(\p{L}{3,})Δ", "$1")
    return text.str.replace_all(DELTA_MARK, "")


def edits(text: pl.Expr) -> pl.Expr:
    """The first line-initial EDIT or UPDATE and all after it go: written after the replies.

    A text that opens with some loses those paragraphs only.
    """
    text = text.str.replace(rf"(?s)^(?:\s*{_EDIT}.*?(?:\n[ \t]*\n|$))+", "")
    return text.str.replace(rf"(?s)\n{_EDIT}.*$", "")


def markup(text: pl.Expr) -> pl.Expr:
    """Markdown marks go, their text stays; an escaped mark is text."""
    text = text.str.replace_many(list(_ESCAPED), list(_ESCAPED.values()))
    text = text.str.replace_all(r"(?m)^[ \t]*(?:#{1,6}[ \t]+|[*+-][ \t]+|(?:[-*_][ \t]*){3,}$)", "")
    text = text.str.replace_all(r">!(.*?)!<", "$1").str.replace_all(r"\|\|([^|\n]+)\|\|", "$1")
    text = text.str.replace_all(r"\B\*{1,3}([^*\s](?:[^*\n]*[^*\s])?)\*{1,3}(?:\B|$)", "$1")
    text = text.str.replace_all(r"(^|\s)_{1,3}([^_\s](?:[^_\n]*[^_\s])?)_{1,3}", "$1$2")
    text = text.str.replace_all(r"~~|`+", "")
    # Superscripts: marks before a word or a bracket of words; 10^6 and x^(n) are arithmetic.
    text = text.str.replace_all(r"(^|[\s(])\^+", "$1")
    text = text.str.replace_all(r"\^+(\([^()\n]*[A-Za-z]{2}[^()\n]*\))", "$1")
    return text.str.replace_many(list(_ESCAPED.values()), [mark[1] for mark in _ESCAPED])


def users(text: pl.Expr) -> pl.Expr:
    """A user's name becomes ``@user``: names leave the build only as hashes."""
    site = r"(?:(?:www\.|old\.)?reddit\.com)?"
    text = text.str.replace_all(rf"(?i){site}/u(?:ser)?/[\w-]{{3,}}", "@user")
    return text.str.replace_all(r"(?i)\bu/[\w-]{3,}", "@user")


def repeats(text: pl.Expr) -> pl.Expr:
    """A stop-word said twice or more in a row is said once."""
    # One alternative per word stands in for the back-reference that the engine lacks; the last
    # group keeps "you you're" and "can can't" whole.
    pattern = "|".join(rf"({word})(?:[ \t]+{word})+" for word in _COLLAPSIBLE)
    once = "".join(f"${{{i}}}" for i in range(1, len(_COLLAPSIBLE) + 2))
    return text.str.replace_all(rf"(?i)\b(?:{pattern})($|[^\w'’])", once)


def spaces(text: pl.Expr) -> pl.Expr:
    """White space is folded: single spaces, at most one empty line, none at the ends."""
    # Single spaces, which are most, are left alone: that is faster.
    text = text.str.replace_all(r"[^\S\n]{2,}|[^\S\n ]", " ").str.replace_all(r" ?\n ?", "\n")
    text = text.str.replace_all(r"\n{3,}", "\n\n").str.replace_all(r" ([,.;:!?]+)(\s|$)", "$1$2")
    return text.str.strip_chars()


STEPS: dict[str, Step] = {
    step.__name__: step
    for step in (
        entities, invisible, footnotes, quotes, links, deltas, edits, markup, users, repeats, spaces
    )
}  # fmt: skip


_TWICE = "|".join(rf"{word}[ \t]+{word}" for word in _COLLAPSIBLE)


def _not_ascii(text: pl.Expr) -> pl.Expr:
    return text.str.len_bytes() != text.str.len_chars()


MAYBE: dict[str, Step] = {
    "entities": lambda text: text.str.contains("&", literal=True),
    "invisible": lambda text: _not_ascii(text) | text.str.contains(r"[\x00-\x08\x0b-\x1f\x7f]"),
    "footnotes": lambda text: text.str.contains("users of CMV!|footnote from"),
    "quotes": lambda text: text.str.contains(">", literal=True),
    "links": lambda text: text.str.contains(r"(?i)://|www\.|\]\("),
    "deltas": lambda text: text.str.contains("(?i)delta|&#8710;") | _not_ascii(text),
    "edits": lambda text: text.str.contains("(?i)edit|update"),
    "markup": lambda text: (
        text.str.contains(r"[*_~`^#\\|]|>!")
        | text.str.contains(r"^[ \t]*[+-]")
        | text.str.contains(r"\n[ \t]*[+-]")
        | _not_ascii(text)
    ),
    "users": lambda text: text.str.contains("/", literal=True),
    "repeats": lambda text: text.str.contains(rf"(?i)\b(?:{_TWICE})\b"),
    "spaces": lambda text: (
        text.str.contains(r"  | \n|\n |\n\n\n| [,.;:!?]")
        | text.str.contains(r"[\t\r]")
        | text.str.contains(r"[\x0b\x0c]")
        | (text.str.strip_chars().str.len_bytes() != text.str.len_bytes())
        | _not_ascii(text)
    ),
}
"""Step -> whether a text may need it: a cheap look that spares most texts the costly expression.

Cheap are a few literals, or up to three characters, which are looked for by SIMD; other patterns
take ten times as long, so that several cheap ones are better than one that says it all.
"""


def run(step: str, texts: pl.Series) -> tuple[pl.Series, int]:
    """``texts`` (no nulls) after ``step``, and how many of them it changed."""
    some = texts.to_frame("text").select(MAYBE[step](pl.col("text"))).to_series().arg_true()
    before = texts.gather(some)
    after = before.to_frame("text").select(STEPS[step](pl.col("text"))).to_series()
    changed = (before != after).arg_true()
    if not len(changed):
        return texts, 0
    return texts.scatter(some.gather(changed), after.gather(changed)), len(changed)


def words(texts: pl.Series, *, tidy: bool) -> pl.Series:
    r"""How many words (``\S+``) each text (no nulls) has; ``tidy``: all have passed ``spaces``.

    In a tidy text they are told by its spaces and line breaks, which is twice as fast.
    """
    text, frame = pl.col("text"), texts.to_frame("text")
    breaks = text.str.count_matches(" ", literal=True) + text.str.count_matches("\n", literal=True)
    breaks -= text.str.count_matches("\n\n", literal=True)
    found = frame.select(n=pl.when(text == "").then(0).otherwise(breaks.cast(pl.Int64) + 1))["n"]
    if tidy:
        return found
    rows = frame.select(MAYBE["spaces"](text)).to_series().arg_true()
    counted = frame[rows].select(n=text.str.count_matches(r"\S+").cast(pl.Int64))["n"]
    return found.scatter(rows, counted) if len(rows) else found


def normal(text: pl.Expr) -> pl.Expr:
    """A text without case, punctuation and line breaks: its words, a space between them."""
    # Single spaces, the most frequent break by far, are never touched: three times as fast.
    lower = text.str.to_lowercase()
    return lower.str.replace_all(r"\W*[^\w ]\W*|  +", " ").str.strip_chars()


def topic(title: pl.Expr) -> pl.Expr:
    """The view itself: a title without its ``CMV:`` at either end. Source: specification 4.5."""
    title = entities(title).str.replace_all(r"\s+", " ").str.strip_chars()
    title = title.str.replace(r"(?i)^(?:[\[({]?\s*cmv\s*[\])}]?\s*(?:[:;.,\-–—|]+\s*|\s+))+", "")
    title = title.str.replace(r"(?i)[\s\-–—:;,.(\[]*\b(?:please )?cmv\b[\])\s.!?]*$", "")
    return title.str.strip_chars(" -–—:;,")
