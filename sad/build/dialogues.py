"""From kept nodes to dialogues: one per root-to-leaf path."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
import polars.selectors as cs

from sad.build import forest
from sad.build.settings import BuildSettings

COLUMNS = ("dialogue_id", "thread_id", "topic", "utterance_ids", "n_turns")


def paths(nodes: pl.DataFrame) -> pl.DataFrame:
    """Every root-to-leaf path of ``nodes``: ``COLUMNS`` and ``text_key``.

    ``dialogue_id`` is the first 16 hex digits of SHA-1(thread_id + leaf_id), as in the
    specification (11.1). ``text_key`` is equal for paths with the same texts.
    """
    parent = nodes["parent"].to_numpy()
    leaf = forest.leaves(parent)
    offsets, index = forest.root_to_leaf_paths(parent, leaf)
    lengths = np.diff(offsets)
    key = pl.col("text").str.to_lowercase().str.replace_all(r"\W+", " ").str.strip_chars().hash(1)
    path = pl.Series(np.repeat(np.arange(len(leaf)), lengths))
    steps = nodes.select("node_id", key=key)[index].with_columns(path=path)
    lists = steps.group_by("path", maintain_order=True).agg("node_id", "key")
    heads = nodes.select("thread_id", "topic", leaf_id="node_id")[leaf]
    joined = (heads["thread_id"] + heads["leaf_id"]).to_list()
    ids = [hashlib.sha1(text.encode()).hexdigest()[:16] for text in joined]
    return heads.select(
        "thread_id", "topic",
        dialogue_id=pl.Series(ids, dtype=pl.String),
        utterance_ids=lists["node_id"],
        n_turns=pl.Series(lengths),
        text_key=lists["key"],
    ).select(*COLUMNS, "text_key")  # fmt: skip


def select(found: pl.DataFrame, settings: BuildSettings) -> tuple[pl.DataFrame, dict[str, int]]:
    """The dialogues kept of the paths ``found``, sorted on their id, and the drops per rule."""
    enough = found.filter(pl.col("n_turns") >= settings.min_turns).sort("dialogue_id")
    kept = enough
    if settings.dedup:
        kept = enough.unique("text_key", keep="first", maintain_order=True)
    drops = {
        "min_turns": found.height - enough.height,
        "duplicate_dialogue": enough.height - kept.height,
    }
    return kept.select(cs.exclude("text_key")), drops
