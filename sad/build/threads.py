"""From submissions and comments to the nodes of trees: one row per node, parents first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from sad.build import forest

NODES = {
    "node_id": pl.String,  # t3_... or t1_...
    "thread_id": pl.String,  # t3_... of the submission
    "parent_id": pl.String,  # null for the post
    "author": pl.String,
    "created_utc": pl.Int64,
    "posted_utc": pl.Int64,  # when the thread's submission was made
    "distinguished": pl.String,
    "is_submitter": pl.Boolean,  # null where the dump does not say
    "title": pl.String,  # null for comments
    "body": pl.String,
}
"""The columns of a node, before the derived ``parent`` (row index or -1) and ``depth``."""


LOST = ("missing_submission", "cycles", "orphans")
"""Why a comment is in no tree."""


@dataclass(frozen=True, slots=True)
class Threads:
    """Nodes sorted by (thread_id, depth, node_id), what was left out, and why."""

    nodes: pl.DataFrame
    dropped: pl.DataFrame  # node_id, thread_id, rule
    counts: dict[str, int]


def join(submissions: pl.DataFrame, comments: pl.DataFrame) -> Threads:
    """The trees of ``submissions`` and ``comments``.

    Of rows with the same id the last retrieved wins (ties: the greatest row, so that the order of
    the input never matters). A comment is left out as ``missing_submission`` when its submission
    is not there, as ``cycles`` when its chain of parents leads round in a circle, as ``orphans``
    when the chain does not lead to its submission.
    """
    posts, n_posts = _latest(_posts(submissions))
    replies, n_replies = _latest(_replies(comments))
    nodes = pl.concat([posts, replies], how="diagonal").select(list(NODES))
    gone = pl.col("author").is_in(["[deleted]", "[removed]", ""])
    nodes = nodes.with_columns(author=pl.when(~gone).then("author"))
    nodes = _with_parent(nodes)
    parent = nodes["parent"].to_numpy()
    root = forest.roots(parent)
    is_post = nodes["parent_id"].is_null().to_numpy()
    known = nodes["thread_id"].is_in(posts["node_id"].implode()).to_numpy()
    lost = (root < 0) | ~is_post[root]
    why = np.select(
        [lost & ~known, root < 0, lost], ["missing_submission", "cycles", "orphans"], ""
    )
    posted = nodes["created_utc"].gather(pl.Series(np.where(root < 0, 0, root)))
    nodes = nodes.with_columns(
        rule=pl.Series(why), depth=pl.Series(forest.depths(parent)), posted_utc=posted
    )
    kept = nodes.filter(pl.col("rule") == "").drop("rule", "parent")
    kept = _with_parent(kept.sort("thread_id", "depth", "node_id"))
    return Threads(
        nodes=kept,
        dropped=nodes.filter(pl.col("rule") != "").select("node_id", "thread_id", "rule"),
        counts={
            "submissions": posts.height,
            "comments": replies.height,
            "duplicates": n_posts + n_replies,
            **{name: int((why == name).sum()) for name in LOST},
        },
    )


def _latest(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    again = pl.col("node_id").is_duplicated()
    others = [name for name in rows.columns if name not in ("node_id", "retrieved_on")]
    order = ["node_id", "retrieved_on", *others]
    last = rows.filter(again).sort(order, nulls_last=False).unique("node_id", keep="last")
    return pl.concat([rows.filter(~again), last]), rows.height - rows["node_id"].n_unique()


def _posts(posts: pl.DataFrame) -> pl.DataFrame:
    return posts.select(
        "author", "created_utc", "distinguished", "title", "retrieved_on",
        node_id=_prefixed("t3_", "id"),
        thread_id=_prefixed("t3_", "id"),
        parent_id=pl.lit(None, pl.String),
        posted_utc=pl.lit(None, pl.Int64),
        body=pl.col("selftext"),
    )  # fmt: skip


def _replies(replies: pl.DataFrame) -> pl.DataFrame:
    return replies.select(
        "author", "created_utc", "distinguished", "body", "retrieved_on", "is_submitter",
        node_id=_prefixed("t1_", "id"),
        thread_id=pl.col("link_id").fill_null(""),
        # Some late files hold integers or null here: such a comment has no known parent.
        parent_id=pl.col("parent_id").fill_null(""),
        posted_utc=pl.lit(None, pl.Int64),
        title=pl.lit(None, pl.String),
    )  # fmt: skip


def _prefixed(prefix: str, column: str) -> pl.Expr:
    name = pl.col(column)
    return pl.when(name.str.starts_with(prefix)).then(name).otherwise(pl.lit(prefix) + name)


def _with_parent(nodes: pl.DataFrame) -> pl.DataFrame:
    """``nodes`` with ``parent``: the row of the parent within the same thread, or -1."""
    where = nodes.select("thread_id", parent_id="node_id").with_row_index("parent")
    found = nodes.join(
        where, on=["thread_id", "parent_id"], how="left", maintain_order="left", nulls_equal=False
    )
    return found.with_columns(pl.col("parent").cast(pl.Int64).fill_null(-1))
