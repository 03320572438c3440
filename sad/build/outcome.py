"""Outcomes: which comment earned a delta, and who awarded it."""

from __future__ import annotations

import polars as pl

CONFIRMED = r"(?i)^\s*(?:confirmed: \d+ deltas?|confirmation: deltas?) awarded to (?:/?u/)?\S+"
"""How every generation of DeltaBot confirms an award. Source: specification 4.5."""


def outcomes(nodes: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """One row per comment with a known delta outcome: ``node_id, delta, by``.

    A confirmation by DeltaBot answers an award; the award answers the argument that won. ``by`` is
    ``op`` when the author of the post awarded it (once at least), else ``other``. Rows of ``known``
    (an imported outcome table) are added.
    """
    is_bot = pl.col("author").str.to_lowercase() == "deltabot"
    bots = nodes.filter(is_bot & pl.col("body").str.contains(CONFIRMED)).select("parent")
    posts = nodes.filter(pl.col("parent") < 0).select("thread_id", op="author")
    rows = nodes.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    awards = (
        rows.join(bots.unique(), left_on="row", right_on="parent")
        .join(posts, on="thread_id")
        .select("parent", by_op=(pl.col("author") == pl.col("op")).fill_null(False))
    )
    won = (
        rows.filter(pl.col("depth") > 0)
        .join(awards, left_on="row", right_on="parent")
        .group_by("node_id")
        .agg(by_op=pl.col("by_op").any())
        .select(
            "node_id",
            delta=pl.lit(True),
            by=pl.when("by_op").then(pl.lit("op")).otherwise(pl.lit("other")),
        )
    )
    told = known.select(pl.col("comment_id").alias("node_id"), "delta", "by")
    told = told.with_columns(node_id=pl.lit("t1_") + pl.col("node_id").str.strip_prefix("t1_"))
    both = pl.concat([won, told.join(won, on="node_id", how="anti")])
    return both.unique("node_id", keep="first", maintain_order=True)
