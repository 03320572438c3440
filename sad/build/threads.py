"""From posts and comments to the nodes of trees: one row per node, parents first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from sad.build import forest

ROWS = {
    "node_id": pl.String,  # t3_... or t1_...
    "thread_id": pl.String,  # t3_... of the submission
    "parent_id": pl.String,  # null for the post
    "author": pl.String,  # null: deleted
    "created_utc": pl.Int64,
    "distinguished": pl.String,
    "is_submitter": pl.Boolean,  # null where the dump does not say
    "title": pl.String,  # null for comments
    "body": pl.String,
    "retrieved_on": pl.Int64,
    "told_delta": pl.String,  # what the source states: true, false, unknown; null: nothing
    "told_by": pl.String,
    "told_stance": pl.UInt8,
}
"""The columns of a row as it is read: nothing is joined yet."""

LOST = ("missing_submission", "cycles", "orphans")
"""Why a comment is in no tree."""


@dataclass(frozen=True, slots=True)
class Threads:
    """Nodes, what was left out, and why.

    Nodes have the columns of ``ROWS`` and ``depth``, ``parent`` (row or -1), ``root`` (row),
    ``posted_utc`` (when the post was made) and ``by_op`` (by the author of the post; null: nobody
    knows), sorted by (thread_id, depth, node_id).
    """

    nodes: pl.DataFrame
    dropped: pl.DataFrame  # node_id, thread_id, rule
    counts: dict[str, int]


def posts(submissions: pl.DataFrame) -> pl.DataFrame:
    """Submissions as rows (``ROWS``)."""
    name = prefixed("t3_", "id")
    return _rows(submissions, node_id=name, thread_id=name, title="title", body="selftext")


def replies(comments: pl.DataFrame) -> pl.DataFrame:
    """Comments as rows (``ROWS``)."""
    return _rows(
        comments,
        node_id=prefixed("t1_", "id"),
        thread_id=pl.col("link_id").fill_null(""),
        # Some late files hold integers or null here: such a comment has no known parent.
        parent_id=pl.col("parent_id").fill_null(""),
        is_submitter="is_submitter",
        body="body",
        told_delta="delta",
        told_by="delta_by",
    )


def _rows(table: pl.DataFrame, **own: pl.Expr | str) -> pl.DataFrame:
    """``table`` in the columns of ``ROWS``: ``own``, those of both kinds, else null."""
    gone = pl.col("author").is_in(["[deleted]", "[removed]", ""])
    both = {name: pl.col(name) for name in ("created_utc", "distinguished", "retrieved_on")}
    known = {**both, "author": pl.when(~gone).then("author"), **own}
    return table.select(
        **{name: known.get(name, pl.lit(None, dtype)) for name, dtype in ROWS.items()}
    )


def prefixed(prefix: str, column: str) -> pl.Expr:
    """``column`` with ``prefix`` before it, unless it is there."""
    name = pl.col(column)
    return pl.when(name.str.starts_with(prefix)).then(name).otherwise(pl.lit(prefix) + name)


def join(rows: pl.DataFrame) -> Threads:
    """The trees of ``rows``.

    Of rows with the same id the last retrieved wins (ties: the greatest row, so that the order of
    the input never matters). A comment is left out as ``missing_submission`` when its submission
    is not there, as ``cycles`` when its chain of parents leads round in a circle, as ``orphans``
    when the chain does not lead to its submission.
    """
    nodes = latest(rows)
    again = rows.height - nodes.height
    parent = _parents(nodes)
    root = forest.roots(parent)
    is_post = nodes["parent_id"].is_null().to_numpy()
    known = nodes["thread_id"].is_in(nodes.filter(is_post)["node_id"].implode()).to_numpy()
    lost = (root < 0) | ~is_post[root]
    why = np.select(
        [lost & ~known, root < 0, lost], ["missing_submission", "cycles", "orphans"], ""
    )
    nodes = nodes.with_columns(
        depth=pl.Series(forest.depths(parent)), parent=pl.Series(parent), root=pl.Series(root)
    )
    dropped = nodes.select("node_id", "thread_id", rule=pl.Series(why)).filter(pl.Series(lost))
    posted = int(is_post.sum())
    return Threads(
        nodes=_told(_sorted(nodes, lost)),
        dropped=dropped,
        counts={
            "submissions": posted,
            "comments": nodes.height - posted,
            "duplicates": again,
            **{name: int((why == name).sum()) for name in LOST},
        },
    )


def latest(rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` with one row per id: the one retrieved last."""
    again = rows["node_id"].is_duplicated()
    if not again.any():
        return rows
    order = ["node_id", "retrieved_on", *(n for n in ROWS if n not in ("node_id", "retrieved_on"))]
    last = rows.filter(again).sort(order, nulls_last=False).unique("node_id", keep="last")
    return pl.concat([rows.filter(~again), last])


def _parents(nodes: pl.DataFrame) -> forest.Index:
    """The row of each node's parent within the same thread, or -1."""
    where = nodes.select(parent_id="node_id", thread="thread_id").with_row_index("parent")
    found = nodes.select("parent_id", "thread_id").join(
        where, on="parent_id", how="left", maintain_order="left", nulls_equal=False
    )
    inside = pl.when(pl.col("thread") == pl.col("thread_id")).then(pl.col("parent").cast(pl.Int64))
    return found.select(inside.fill_null(-1)).to_series().to_numpy()


def _sorted(nodes: pl.DataFrame, lost: forest.Mask) -> pl.DataFrame:
    """The nodes not ``lost``, sorted, with ``parent`` and ``root`` renumbered."""
    kept = nodes.with_row_index("row").filter(~pl.Series(lost))
    kept = kept.sort("thread_id", "depth", "node_id")
    place = np.full(nodes.height + 1, -1, np.int64)  # the last stands for no parent
    place[kept["row"].to_numpy()] = np.arange(kept.height)
    moved = {name: pl.Series(place[kept[name].to_numpy()]) for name in ("parent", "root")}
    return kept.with_columns(**moved).drop("row")


def _told(nodes: pl.DataFrame) -> pl.DataFrame:
    """``nodes`` with what the post tells of its thread: ``posted_utc`` and ``by_op``.

    Where either author is unknown, as of a post deleted later, the dump's ``is_submitter`` tells.
    """
    root = nodes["root"]
    same = nodes["author"] == nodes["author"].gather(root)
    by_op = pl.when(pl.col("parent") < 0).then(True).otherwise(pl.coalesce(same, "is_submitter"))
    return nodes.with_columns(posted_utc=nodes["created_utc"].gather(root), by_op=by_op)
