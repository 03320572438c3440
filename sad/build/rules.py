"""Rules that drop an utterance: each says when, the table of drops says which.

A rule is a function from the settings to a Boolean column over the nodes (true: drop). The nodes
have the columns of ``threads.Threads``, ``taken_down``, and from the cleaning ``text``, ``n_words``
and ``n_stopwords``. A dropped node takes its subtree with it; nodes lost that way carry the reason
``pruned``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import polars as pl

from sad.build.clean import BOT_NAMES, STOP_WORDS
from sad.build.language import foreign
from sad.build.outcome import CONFIRMED

if TYPE_CHECKING:
    from sad.build.settings import BuildSettings

Rule = Callable[["BuildSettings"], pl.Expr]

PRUNED = "pruned"
"""The reason of a node whose ancestor was dropped."""

_WORDS = pl.col("n_words").cast(pl.Float64)
N_STOPWORDS = pl.col("text").str.count_matches(rf"(?i)\b(?:{'|'.join(STOP_WORDS)})\b")
"""How many English function words a ``text`` has."""

NEED_STOPWORDS = frozenset({"stopwords", "language"})

_BODY = pl.col("body").str.strip_chars()


def deleted(_: BuildSettings) -> pl.Expr:
    """Deleted by its author."""
    return _BODY == "[deleted]"


def removed(_: BuildSettings) -> pl.Expr:
    """Removed by a moderator or an administrator."""
    return _BODY.str.contains(r"(?i)^\[ ?removed\b(?:[^\[\]]|\[[^\[\]]*\])*\]$")


def bot(_: BuildSettings) -> pl.Expr:
    """Written by a bot of the subreddit, or in the words of DeltaBot."""
    named = pl.col("author").str.to_lowercase().is_in(BOT_NAMES).fill_null(False)
    refusal = r"(?i)^\s*this delta (?:has been|is currently) (?:rejected|disallowed)"
    return named | pl.col("body").str.contains(CONFIRMED) | pl.col("body").str.contains(refusal)


def moderator(_: BuildSettings) -> pl.Expr:
    """Written as a moderator, or a removal notice."""
    named = r"(?:sorry\b,?\s*)?(?:/?u/[\w-]+|[\w-]+[,–—-])?[\s,–—-]*"
    removed = r"your (?:comment|submission|post) has been (?:automatically )?removed\b"
    notice = rf"(?i)^\s*{named}{removed}"
    official = pl.col("distinguished").str.to_lowercase().is_in(["moderator", "admin"])
    return official.fill_null(False) | pl.col("body").str.contains(notice)


def meta(_: BuildSettings) -> pl.Expr:
    """A post about the subreddit itself, by its title."""
    tag = r"[\[(]\s*(?:meta|mod ?post|mod)\s*[\])]|(?:meta|mod ?post|mod)\s*:"
    prefix = r"(?i)^\s*(?:[\[(]?cmv[\])]?\s*[:,-]?\s*)?"
    return pl.col("title").str.contains(rf"{prefix}(?:{tag}|fresh topic friday)")


def empty(_: BuildSettings) -> pl.Expr:
    """Nothing is left after cleaning."""
    return pl.col("text").fill_null("") == ""


def short(settings: BuildSettings) -> pl.Expr:
    """Fewer than ``min_words`` words."""
    return pl.col("n_words") < settings.min_words


def stopwords(settings: BuildSettings) -> pl.Expr:
    """Hardly anything but stop-words."""
    return pl.col("n_stopwords") / _WORDS > settings.max_stopword_share


def repetitive(settings: BuildSettings) -> pl.Expr:
    """Few distinct words for its length."""
    least = settings.min_distinct_share * _WORDS
    # Nearly every text has enough of them in its first part.
    tenths = pl.when(pl.col("n_words") > 150).then(4).otherwise(3)
    head = pl.col("text").str.head(pl.col("text").str.len_chars() * tenths // 10)
    # The cut may have made a word, and so does each line break where words are told by spaces.
    few = _distinct(head) - 1
    if settings.tidy:
        some = head.str.to_lowercase().str.split(" ").list.n_unique().cast(pl.Int64)
        few = some - head.str.count_matches("\n", literal=True).cast(pl.Int64) - 1
    doubtful = few < least
    return _where(doubtful, _distinct(pl.col("text")) < least)


def symbols(settings: BuildSettings) -> pl.Expr:
    """Few letters for its length."""
    others = pl.col("text").str.count_matches(r"[^\p{L}\s]")
    most = 1 - settings.min_alpha_share
    letters = pl.col("text").str.count_matches(r"\p{L}")
    few = letters / pl.col("text").str.count_matches(r"\S") < settings.min_alpha_share
    # A word has a character at least, so few others than letters are fewer than the words.
    return _where((others >= most * _WORDS - 1e-6) | (most == 0), few)


def _distinct(text: pl.Expr) -> pl.Expr:
    return text.str.to_lowercase().str.extract_all(r"\S+").list.n_unique().cast(pl.Int64)


def _where(doubtful: pl.Expr, rule: pl.Expr) -> pl.Expr:
    """``rule`` where it is ``doubtful``, else false; it is costly and looked at there only."""

    def check(columns: Sequence[pl.Series]) -> pl.Series:
        rows = columns[0].fill_null(True).arg_true()
        some = pl.DataFrame({"text": columns[1].gather(rows), "n_words": columns[2].gather(rows)})
        found = some.select(rule.fill_null(False)).to_series()
        none = pl.repeat(False, len(columns[0]), eager=True)
        return none.scatter(rows, found) if len(rows) else none

    return pl.map_batches([doubtful, "text", "n_words"], check, return_dtype=pl.Boolean)


def language(settings: BuildSettings) -> pl.Expr:
    """Written in another language than ``language``."""
    if settings.language is None:
        return pl.lit(False)
    wanted, least = settings.language, settings.foreign_probability
    return pl.map_batches(
        ["text", "n_words", "n_stopwords"],
        lambda columns: foreign(columns[0], columns[2] / columns[1], wanted, least),
        return_dtype=pl.Boolean,
    )


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        deleted, removed, bot, moderator, meta, empty, short, stopwords, repetitive, symbols,
        language,
    )
}  # fmt: skip

OF_TEXT = frozenset(
    {"deleted", "removed", "empty", "short", "stopwords", "repetitive", "symbols", "language"}
)
"""Rules about what a text says; they do not judge a post that is no turn."""


def window(settings: BuildSettings) -> pl.Expr:
    """The thread's submission is outside the window; a missing time passes."""
    if settings.window is None:
        return pl.lit(False)
    since = pl.lit(settings.window.since).cast(pl.Datetime).dt.epoch("s")
    until = pl.lit(settings.window.until).cast(pl.Datetime).dt.epoch("s")
    posted = pl.col("posted_utc")
    return (posted < since) | (posted >= until)


def deep(settings: BuildSettings) -> pl.Expr:
    """Beyond ``max_turns`` turns."""
    if settings.max_turns is None:
        return pl.lit(False)
    first = 0 if settings.include_post else 1
    return pl.col("depth") - first >= settings.max_turns


def reason(settings: BuildSettings) -> pl.Expr:
    """The name of the first rule that fires for a node, else null."""
    checks = [("taken_down", pl.col("taken_down")), ("window", window(settings))]
    checks += [("deep", deep(settings))]
    for name in settings.drop:
        check = RULES[name](settings)
        if name in OF_TEXT and not settings.include_post:
            check &= pl.col("depth") > 0
        checks.append((name, check))
    fired = [pl.when(check.fill_null(False)).then(pl.lit(name)) for name, check in checks]
    return pl.coalesce(fired)
