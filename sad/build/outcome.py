"""Outcomes: which comment earned a delta, and who awarded it."""

from __future__ import annotations

import polars as pl

CONFIRMED = r"(?i)^\s*(?:confirmed: \d+ deltas?|confirmation: deltas?) awarded to (?:/?u/)?\S+"
"""How every generation of DeltaBot confirms an award. Source: specification 4.5."""


def awards(nodes: pl.DataFrame) -> pl.DataFrame:
    """One row per award of a delta to a comment: ``award, parent`` (rows of nodes), ``by_op``.

    A confirmation by DeltaBot answers an award; the award answers the argument that won. ``by_op``
    says whether the author of the post awarded it, null that nobody knows.
    """
    bots = nodes.filter(pl.col("author").str.to_lowercase() == "deltabot")
    answered = bots.filter(pl.col("body").str.contains(CONFIRMED))["parent"].unique().sort()
    rows = nodes.select("depth", "parent", "by_op")[answered].with_columns(award=answered)
    return rows.filter(pl.col("depth") > 1).select("award", "parent", "by_op")


def outcomes(nodes: pl.DataFrame, given: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """One row per comment with a known delta outcome: ``node_id, delta, by``.

    ``by`` is ``op`` when the author of the post awarded it (once at least), else ``other``, or
    null where nobody knows. Rows of ``known`` are added.

    Args:
        nodes: the nodes.
        given: their ``awards``.
        known: what the source states (``stated``).
    """
    anyone = pl.col("by_op").is_not_null().any()
    by = pl.when(pl.col("by_op").any()).then(pl.lit("op")).when(anyone).then(pl.lit("other"))
    won = given.with_columns(node_id=nodes["node_id"].gather(given["parent"]))
    won = won.group_by("node_id").agg(delta=pl.lit(True), by=by).sort("node_id")
    return pl.concat([won, known.join(won, on="node_id", how="anti")])


def stated(rows: pl.DataFrame) -> pl.DataFrame:
    """What ``rows`` (``threads.ROWS``) state of comments: ``node_id, delta, by``.

    Where they state nothing, nobody awarded a delta. Of a comment met twice the last row that
    states anything counts, whatever the order of files.
    """
    rows = rows.filter(pl.col("node_id").str.starts_with("t1_"))
    again = rows["node_id"].is_duplicated()
    known = pl.concat([rows.filter(~again), last_stated(rows.filter(again))])
    said = pl.col("told_delta").fill_null("false")
    delta = pl.when(said != "unknown").then(said == "true")
    by = pl.when(delta & pl.col("told_by").is_in(["op", "other"])).then("told_by")
    return known.select("node_id", delta=delta, by=by).drop_nulls("delta")


def last_stated(rows: pl.DataFrame) -> pl.DataFrame:
    """Of each comment the row retrieved last that states an outcome, else any."""
    order = ["node_id", "stated", "retrieved_on", "told_delta", "told_by"]
    rows = rows.with_columns(stated=pl.col("told_delta").is_not_null())
    rows = rows.sort(order, nulls_last=False).unique("node_id", keep="last", maintain_order=True)
    return rows.drop("stated")
