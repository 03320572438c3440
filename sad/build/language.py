"""Which texts are in another language than the one that is kept."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_ENGLISH_SHARE = 0.25
"""Prose with that many English function words is English: the slow identifier need not look.
English runs at 0.4 to 0.5; of other languages only shared words (in, an, all) count."""


def foreign(texts: pl.Series, share: pl.Series, wanted: str, least: float) -> pl.Series:
    """Whether each text is in another language than ``wanted`` with probability ``least`` or more.

    By py3langid (Lui and Baldwin 2012), whose model comes with its package.

    Args:
        texts: the texts.
        share: English function words among the words of each; not a number: no words.
        wanted: ISO 639-1.
        least: a probability.
    """
    unsure = share.is_not_nan() & ~((share >= _ENGLISH_SHARE) & (wanted == "en"))
    rows = unsure.fill_null(False).arg_true()
    found = [_is_foreign(text, wanted, least) for text in texts.gather(rows)]
    result = pl.repeat(False, len(texts), eager=True)
    return result.scatter(rows, found) if found else result


def _is_foreign(text: str, wanted: str, least: float) -> bool:
    language, probability = _identifier().classify(text)
    return bool(language != wanted and probability >= least)


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
