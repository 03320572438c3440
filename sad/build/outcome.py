"""Outcomes: which comment earned a delta, and who awarded it."""

from __future__ import annotations

import polars as pl

CONFIRMED = r"(?i)^\s*(?:confirmed: \d+ deltas?|confirmation: deltas?) awarded to (?:/?u/)?\S+"
"""How every generation of DeltaBot confirms an award. Source: specification 4.5."""


def awards(nodes: pl.DataFrame) -> pl.DataFrame:
    """One row per award of a delta to a comment: ``award, parent`` (rows of nodes), ``by_op``.

    A confirmation by DeltaBot answers an award; the award answers the argument that won. ``by_op``
    says whether the author of the post awarded it (``by_post_author``), null that nobody knows.
    """
    rows = nodes.with_columns(
        award=pl.int_range(pl.len(), dtype=pl.Int64), by_op=by_post_author(nodes)
    )
    is_bot = pl.col("author").str.to_lowercase() == "deltabot"
    answered = rows.filter(is_bot & pl.col("body").str.contains(CONFIRMED)).select(award="parent")
    return (
        rows.join(answered.unique(), on="award")
        .filter(pl.col("depth") > 1)
        .select("award", "parent", "by_op")
    )


def by_post_author(nodes: pl.DataFrame) -> pl.Series:
    """Whether each node is by the author of its thread's post; null where nobody knows.

    Where either author is unknown, as of a post deleted later, the dump's ``is_submitter`` tells.
    """
    posts = nodes.filter(pl.col("parent") < 0).select("thread_id", op="author")
    with_op = nodes.join(posts, on="thread_id", how="left", maintain_order="left")
    same = pl.col("author") == pl.col("op")
    told = pl.coalesce(same, pl.col("is_submitter"))
    return with_op.select(pl.when(pl.col("parent") < 0).then(True).otherwise(told)).to_series()


def outcomes(nodes: pl.DataFrame, given: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """One row per comment with a known delta outcome: ``node_id, delta, by``.

    ``by`` is ``op`` when the author of the post awarded it (once at least), else ``other``, or
    null where nobody knows. Rows of ``known`` (an imported outcome table) are added.

    Args:
        nodes: the nodes.
        given: their ``awards``.
        known: ``frames.OUTCOME``.
    """
    names = nodes.select("node_id").with_row_index("parent")
    anyone = pl.col("by_op").is_not_null().any()
    by = pl.when(pl.col("by_op").any()).then(pl.lit("op")).when(anyone).then(pl.lit("other"))
    won = (
        given.join(names.with_columns(pl.col("parent").cast(pl.Int64)), on="parent")
        .group_by("node_id")
        .agg(delta=pl.lit(True), by=by)
        .sort("node_id")
    )
    said = pl.col("delta").fill_null(False) & pl.col("by").is_in(["op", "other"])
    told = known.select(pl.col("comment_id").alias("node_id"), "delta", by=pl.when(said).then("by"))
    told = told.with_columns(node_id=pl.lit("t1_") + pl.col("node_id").str.strip_prefix("t1_"))
    both = pl.concat([won, told.join(won, on="node_id", how="anti")])
    return both.unique("node_id", keep="first", maintain_order=True)
