"""From kept nodes to dialogues: one per root-to-leaf path.

N nodes, P paths, T turns of all paths together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import polars_hash as plh

from sad.build import forest
from sad.build.settings import BuildSettings

Drops = dict[str, int]

_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Paths:
    """Root-to-leaf paths: ``leaf`` [P], ``offsets`` [P + 1] into ``turns`` [T] (rows of nodes)."""

    leaf: forest.Index
    offsets: forest.Index
    turns: forest.Index
    seen: int  # all there are
    drops: Drops  # how many were left out per rule


def paths(nodes: pl.DataFrame, settings: BuildSettings) -> Paths:
    """The root-to-leaf paths of ``nodes``.

    Left out before anything is made of them, so that memory is bounded: ``broken_path`` (under
    ``on_fail: drop_path``), ``min_turns``, and ``path_cap``: a tree's paths are taken shortest
    first, ties by id, up to ``max_paths`` and ``max_path_turns``.
    """
    parent = nodes["parent"].to_numpy()
    everything = forest.leaves(parent)
    lengths = forest.depths(parent)[everything] + 1
    whole = nodes["is_leaf"].to_numpy()[everything] | (settings.on_fail == "prune")
    enough = whole & (lengths >= settings.min_turns)
    leaf, lengths = everything[enough], lengths[enough]
    under = _within_caps(nodes["thread_id"].gather(pl.Series(leaf)), lengths, settings)
    drops = {
        "broken_path": int((~whole).sum()),
        "min_turns": int((whole & ~enough).sum()),
        "path_cap": int((~under).sum()),
    }
    offsets, turns = forest.root_to_leaf_paths(parent, leaf[under])
    return Paths(leaf[under], offsets, turns, len(everything), drops)


def _within_caps(thread: pl.Series, lengths: forest.Index, settings: BuildSettings) -> forest.Mask:
    """Which paths are under the caps of their tree; rows come by thread, depth and id."""
    rows = pl.DataFrame({"thread": thread, "turns": lengths})
    ok = pl.lit(True)
    if settings.max_paths is not None:
        ok &= pl.int_range(pl.len()).over("thread") < settings.max_paths
    if settings.max_path_turns is not None:
        total = pl.col("turns").cum_sum().over("thread")
        # One path is always kept: a single deep chain costs no more than its nodes do.
        ok &= (total <= settings.max_path_turns) | (pl.col("turns").cum_count().over("thread") == 1)
    return rows.select(ok=ok & (pl.col("turns") > 0)).to_series().to_numpy()


def ids(nodes: pl.DataFrame, leaf: forest.Index) -> pl.Series:
    """``dialogue_id`` of the path to each ``leaf``.

    The first 16 hex digits of SHA-1(thread_id + leaf_id): specification 11.1.
    """
    heads = nodes.select("thread_id", "node_id")[leaf]
    joined = heads.select(name=pl.col("thread_id") + pl.col("node_id"))
    return joined.select(plh.col("name").nchash.sha1().str.head(16)).to_series()


def text_keys(words: pl.Series) -> forest.Index:
    """A number per node, equal for texts (``clean.normal``) with the same words; shape [N]."""
    keys = words.to_frame("words").select(plh.col("words").nchash.xxh3_64()).to_series()
    return keys.to_numpy().view(np.int64)


def path_keys(nodes: pl.DataFrame, keys: forest.Index) -> forest.Index:
    """A number per node, equal for paths with the same texts in the same order; shape [N]."""
    depth = nodes["depth"].to_numpy().astype(np.uint64)
    mixed = keys.view(np.uint64) ^ (depth * _ODD)
    for _ in range(2):
        mixed = (mixed ^ (mixed >> np.uint64(31))) * _ODD
    return forest.sums(nodes["parent"].to_numpy(), mixed.view(np.int64))


def utterance_ids(nodes: pl.DataFrame, lengths: forest.Index, turns: forest.Index) -> pl.Series:
    """For each path, the list of the ids of its turns.

    Args:
        nodes: with ``utterance_id``.
        lengths: turns of each path [P].
        turns: their rows in ``nodes`` [T].
    """
    path = pl.Series("path", np.repeat(np.arange(len(lengths)), lengths)).set_sorted()
    steps = pl.DataFrame({"path": path, "id": nodes["utterance_id"].gather(pl.Series(turns))})
    return steps.group_by("path", maintain_order=True).agg("id")["id"]
