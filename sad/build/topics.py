"""Topic groups: threads whose titles say nearly the same, so that they share a split."""

from __future__ import annotations

import polars as pl

from sad.build import clean

_PAIRS_AT_ONCE = 200_000  # bounds the memory of titles that share common words
_TOO_COMMON = 1_000
"""Titles whose rarest words are each in more titles than that are not compared through them: such a
corpus is made of templates, and comparing all its titles would take their square in time."""
_PLURAL = r"([a-z]{3,}[^s])s$"


def normal(title: pl.Expr) -> pl.Expr:
    """A title without ``CMV``, case and punctuation."""
    text = clean.topic(title).str.to_lowercase().str.replace_all(r"[\W_]+", " ")
    return text.str.strip_chars()


def group(titles: pl.Series, threshold: float | None) -> tuple[pl.Series, int]:
    """For each title the position of its group's first title, and how many near pairs are apart.

    Titles are near when the Jaccard index of their sets of content words (no stop-words, plural s
    cut) is at least ``threshold``; equal ones always are, empty ones never. In order, a title
    joins the nearest first title of a group, or else opens a group: so nothing is chained, and two
    near titles that are near to different first titles stay apart. Those pairs are counted.
    Source: ours.

    Args:
        titles: ``normal`` titles, in the order of precedence.
        threshold: in (0, 1], or None: equal titles only.
    """
    n = len(titles)
    distinct = pl.DataFrame({"title": titles, "row": range(n)})
    first = pl.col("row").min().over("title")
    own = pl.when(pl.col("title") == "").then("row").otherwise(first)
    leader = distinct.select(own).to_series().to_list()
    pairs: list[tuple[int, int, float]] = []
    if threshold is not None:
        unique = distinct.filter((pl.col("row") == first) & (pl.col("title") != ""))
        pairs = similar(unique, threshold)
    best: dict[int, tuple[float, int]] = {}
    joined: dict[int, int] = {}
    for early, late, likeness in pairs:  # ascending in ``late``
        if early not in joined:
            best[late] = max(best.get(late, (0.0, 0)), (likeness, -early))
            joined[late] = -best[late][1]
    apart = sum(joined.get(a, a) != joined.get(b, b) for a, b, _ in pairs)
    return pl.Series([joined.get(row, row) for row in leader], dtype=pl.Int64), apart


def similar(titles: pl.DataFrame, threshold: float) -> list[tuple[int, int, float]]:
    """Every (early row, late row, Jaccard index) of at least ``threshold``, sorted by late row.

    Exact, but for words in more than ``_TOO_COMMON`` titles, by prefix filtering: of sets that are
    alike, the rarest few words must share one (Chaudhuri et al. 2006).

    Args:
        titles: ``row`` and ``title``.
        threshold: in (0, 1].
    """
    words = titles.select("row", word=pl.col("title").str.split(" ")).explode("word").unique()
    words = words.filter(~pl.col("word").is_in(clean.STOP_WORDS))
    words = words.with_columns(pl.col("word").str.replace(_PLURAL, "$1")).unique()
    words = words.with_columns(n=pl.len().over("row"), often=pl.len().over("word"))
    words = words.sort("row", "often", "word").with_columns(
        place=pl.int_range(pl.len()).over("row")
    )
    needed = (pl.col("n") * threshold - 1e-9).ceil()
    rare = words.filter(pl.col("place") <= pl.col("n") - needed).select("row", "word")
    bags = words.group_by("row").agg(pl.col("word"))
    sizes = rare.group_by("word").agg(n=pl.len()).filter(pl.col("n").is_between(2, _TOO_COMMON))
    batch = pl.col("n").pow(2).cum_sum() // _PAIRS_AT_ONCE
    found: set[tuple[int, int, float]] = set()
    for part in sizes.sort("word").with_columns(batch=batch).partition_by("batch"):
        some = rare.join(part.select("word"), on="word", how="semi")
        pairs = some.join(some, on="word", suffix="_late")
        pairs = pairs.filter(pl.col("row") < pl.col("row_late")).select("row", "row_late").unique()
        found.update(_alike(pairs, bags, threshold))
    return sorted(found, key=lambda row: (row[1], row[0]))


def _alike(
    pairs: pl.DataFrame, bags: pl.DataFrame, threshold: float
) -> list[tuple[int, int, float]]:
    late = bags.rename({"row": "row_late"})
    both = pairs.join(bags, on="row").join(late, on="row_late", suffix="_late")
    shared = pl.col("word").list.set_intersection("word_late").list.len()
    union = pl.col("word").list.len() + pl.col("word_late").list.len() - shared
    found = both.with_columns(likeness=shared / union).filter(
        pl.col("likeness") >= threshold - 1e-12
    )
    return found.select("row", "row_late", "likeness").rows()
