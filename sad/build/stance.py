"""Stance towards the topic by reply structure: the labels a build starts from."""

from __future__ import annotations

import numpy as np
import polars as pl

from sad.build import forest


def by_structure(nodes: pl.DataFrame) -> pl.Series:
    """0 (oppose) or 1 (support) for each node. Source: ours.

    The author of the post supports, but opposes where ``concedes``: in a comment that awards a
    delta. Whoever answers the author opposes, also after a concession. Anybody else takes the side
    opposite to the parent's, or the same side when answering themselves.

    Args:
        nodes: columns ``parent`` (row or -1), ``thread_id``, ``author``, ``concedes``.
    """
    parent = nodes["parent"].to_numpy()
    above = np.where(parent < 0, 0, parent)
    posts = nodes.filter(pl.col("parent") < 0).select("thread_id", op="author")
    with_op = nodes.join(posts, on="thread_id", how="left", maintain_order="left")
    is_op = (with_op["author"] == with_op["op"]).fill_null(False).to_numpy()
    is_op = (is_op | (parent < 0)).copy()
    author = nodes["author"].fill_null("")
    same = ((author == author.gather(above)) & (author != "")).to_numpy()
    # Walks towards the post stop at the first of its author's turns, whose side is known.
    flips = np.where(is_op | same, 0, 1)
    changes = forest.sums(np.where(is_op, -1, parent), flips)
    supports = changes % 2 == 0
    concedes = nodes["concedes"].to_numpy()
    return pl.Series("stance", (supports & ~concedes).astype(np.uint8))
