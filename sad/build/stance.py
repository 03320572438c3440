"""Stance towards the topic by structure, awards and concessions: where a build starts from."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from sad.build import clean, forest

CONFIDENCE = {"post": 0.97, "op": 0.99, "concession": 0.93, "answers_op": 0.89, "other": 0.65}
"""How sure each rule is: Laplace's (right + 1) / (n + 2) on the sample's gold (n = 431). It is
written and small: an order of rules more than a probability. Source: ours; a test measures it."""

STATED = 1.0
"""The confidence of a stance that the source states."""

CONCESSION = (
    r"(?i)\b(?:you|this|that|which)(?:['’]ve| have| has)?(?: \w+ly)? (?:changed|cmv)['’]?d? my "
    r"(?:view|mind|opinion)\b|\bmy (?:view|mind|opinion) (?:has been|is|was)(?: \w+ly)? changed\b|"
    r"\bi stand corrected\b|\bi concede (?:that|the|this|your|defeat|:)"
)
"""By the post's author: the view has changed, also where no delta was awarded. Source: ours."""

_DENIED = r"(?i)\b(?:n['’]?t|not|never|cannot|unless|if|could|would|will|might|to)\b[^.!?\n]{0,30}$"


def concedes(text: pl.Expr) -> pl.Expr:
    """Whether ``text`` says that the view has changed; a denied or conditional one does not."""
    before = text.str.extract(rf"(?s)^(.*?)(?:{CONCESSION})", 1)
    return before.is_not_null() & ~before.str.contains(_DENIED).fill_null(False)


def by_structure(nodes: pl.DataFrame) -> pl.DataFrame:
    """``stance`` (0 oppose, 1 support), ``rule`` and ``stance_confidence`` of each node.

    The author of the post supports, but opposes in a ``concession``: a comment that awards a delta
    or says that the view has changed. Whoever answers the author opposes, also after a
    concession. Anybody else takes the side opposite to the parent's, or the same side when
    answering themselves or awarding the parent a delta. Source: ours.

    Args:
        nodes: columns ``parent`` (row or -1), ``by_op``, ``author``, ``body``, ``awards`` (the
            comment awards a delta to its parent).
    """
    parent = nodes["parent"].to_numpy()
    is_post = parent < 0
    above = np.where(is_post, 0, parent)
    is_op = nodes["by_op"].fill_null(False).to_numpy()
    awards = nodes["awards"].to_numpy()
    concession = is_op & ~is_post & awards
    asked = np.flatnonzero(is_op & ~is_post & ~awards)
    concession[asked] = _concede(nodes["body"].gather(pl.Series(asked)))
    author = nodes["author"]
    same = (author == author.gather(pl.Series(above))).fill_null(False).to_numpy() | awards
    # Walks towards the post stop at the first of its author's turns, whose side is known.
    flips = np.where(is_op | same, 0, 1)
    changes = forest.sums(np.where(is_op, -1, parent), flips)
    supports = (changes % 2 == 0) & ~concession
    rule = np.select([is_post, concession, is_op, is_op[above]], [0, 1, 2, 3], 4)
    rules = ["post", "concession", "op", "answers_op", "other"]
    return pl.DataFrame(
        {
            "stance": supports.astype(np.uint8),
            "rule": pl.Series(rules).gather(pl.Series(rule)),
            "stance_confidence": np.array([CONFIDENCE[name] for name in rules])[rule],
        }
    )


def _concede(bodies: pl.Series) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether each body, without the lines that it quotes, says that the view has changed."""
    own = clean.quotes(pl.col("body").fill_null("").str.replace_all("&gt;", ">", literal=True))
    said = concedes(pl.col("body")).fill_null(False)
    return bodies.to_frame("body").select(own).select(said).to_series().to_numpy()
