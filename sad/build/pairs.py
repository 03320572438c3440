"""Matched pairs: a comment that earned a delta of the post's author beside one that did not."""

from __future__ import annotations

from typing import Any

import polars as pl
import polars_hash as plh

from sad.build import clean

PAIRS: dict[str, Any] = {
    "pair_id": pl.String,
    "thread_id": pl.String,
    "topic": pl.String,
    "won_id": pl.String,
    "lost_id": pl.String,
    "similarity": pl.Float64,
    "split": pl.String,
}
"""Columns of the table: ``won_id`` earned a delta of the post's author, ``lost_id`` none."""

_PAIRS_AT_ONCE = 50_000  # each holds the words of two comments
_MOST_OF_A_DEPTH = 300
"""Comments of a side that are compared per depth of a thread: bounds what a hostile one takes."""


def match(utterances: pl.DataFrame, dialogues: pl.DataFrame) -> pl.DataFrame:
    """The matched pairs (``PAIRS``), sorted on their id.

    Both comments are of one thread, at one depth, by two different speakers, neither of them the
    post's author, and the loser's speaker earned no delta in the thread. Most similar first
    (Jaccard index of the word sets), every comment in one pair at most. Source: after Tan et al.
    2016 (pairs of one thread, most similar by Jaccard); depth and one-to-one are ours.

    Args:
        utterances: the table of a build.
        dialogues: ``thread_id``, ``topic``, ``split``.
    """
    replies = utterances.filter((pl.col("depth") > 0) & ~pl.col("is_op"))
    won = replies.filter(pl.col("delta") & (pl.col("delta_by") == "op").fill_null(False))
    near = replies.join(won.select("thread_id").unique(), on="thread_id", how="semi")
    winners = near.filter("delta").select("thread_id", "speaker").drop_nulls().unique()
    lost = near.filter(pl.col("delta").not_()).join(
        winners, on=["thread_id", "speaker"], how="anti"
    )
    key = ("thread_id", "depth")
    lost = lost.join(won.select(key).unique(), on=key, how="semi")
    sides = _side(won, "won"), _side(lost, "lost")
    sizes = [side.group_by(key).agg(n=pl.len()) for side in sides]
    work = sizes[0].join(sizes[1], on=key, suffix="_lost").sort(key)
    batch = (pl.col("n") * pl.col("n_lost")).cum_sum() // _PAIRS_AT_ONCE
    batches = work.with_columns(batch=batch).partition_by("batch", maintain_order=True)
    found = [
        _compared(*(side.join(part, on=key, how="semi") for side in sides)) for part in batches
    ]
    both = pl.concat(found) if found else _compared(*sides)
    ranked = both.sort("similarity", "won_id", "lost_id", descending=[True, False, False])
    chosen = _one_to_one(ranked.select("thread_id", "won_id", "lost_id", "similarity"))
    threads = dialogues.select("thread_id", "topic", "split").unique()
    pairs = chosen.join(threads, on="thread_id").with_columns(
        pair_id=pl.col("won_id") + "-" + pl.col("lost_id")
    )
    return pairs.select(list(PAIRS)).sort("pair_id")


def _compared(won: pl.DataFrame, lost: pl.DataFrame) -> pl.DataFrame:
    """Every pair of one thread and depth by two speakers, with its similarity."""
    both = won.join(lost, on=("thread_id", "depth"))
    both = both.filter(pl.col("won_speaker").ne_missing(pl.col("lost_speaker")))
    shared = pl.col("won_words").list.set_intersection("lost_words").list.len()
    union = pl.col("won_words").list.len() + pl.col("lost_words").list.len() - shared
    similarity = (shared / union).fill_nan(0.0)
    return both.select("thread_id", "won_id", "lost_id", similarity=similarity)


def _side(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    place = pl.int_range(pl.len()).over("thread_id", "depth")
    rows = rows.sort("utterance_id").filter(place < _MOST_OF_A_DEPTH)
    mine = {f"{name}_id": pl.col("utterance_id"), f"{name}_speaker": pl.col("speaker")}
    return rows.select("thread_id", "depth", **mine, **{f"{name}_words": _words(rows["text"])})


def _words(texts: pl.Series) -> pl.Series:
    """The set of words of each text, as hashes: numbers are compared faster."""
    words = texts.to_frame("text").select(clean.normal(pl.col("text")).str.split(" "))
    flat = words.with_row_index("row").explode("text", empty_as_null=False, keep_nulls=False)
    flat = flat.select(pl.col("row").set_sorted(), word=plh.col("text").nchash.xxh3_64())
    sets = flat.group_by("row", maintain_order=True).agg(pl.col("word").unique())
    return sets["word"]


def _one_to_one(ranked: pl.DataFrame) -> pl.DataFrame:
    used: set[str] = set()
    keep = []
    for row, (won, lost) in enumerate(ranked.select("won_id", "lost_id").iter_rows()):
        if won not in used and lost not in used:
            used |= {won, lost}
            keep.append(row)
    return ranked[keep]
