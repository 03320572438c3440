"""From kept nodes to dialogues: one per root-to-leaf path."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl

from sad.build import forest, near
from sad.build.settings import BuildSettings

COLUMNS = ("dialogue_id", "thread_id", "topic", "utterance_ids", "n_turns")

Drops = dict[str, int]


def paths(nodes: pl.DataFrame, settings: BuildSettings) -> tuple[pl.DataFrame, int, Drops]:
    """Root-to-leaf paths of ``nodes``, how many there are, and how many were left out per rule.

    Of a path: ``COLUMNS``, ``row`` (of its leaf in ``nodes``) and ``text_key`` (equal for paths
    with the same texts). ``dialogue_id`` is the first 16 hex digits of SHA-1(thread_id + leaf_id),
    as in the specification (11.1). Left out before anything is made of them, so that memory is
    bounded: ``broken_path`` (under ``on_fail: drop_path``), ``min_turns``, and ``path_cap``: a
    tree's paths are taken shortest first, ties by id, up to ``max_paths`` and
    ``max_path_turns``.
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
    return _table(nodes, leaf[under]), len(everything), drops


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


def _table(nodes: pl.DataFrame, leaf: forest.Index) -> pl.DataFrame:
    offsets, index = forest.root_to_leaf_paths(nodes["parent"].to_numpy(), leaf)
    lengths = np.diff(offsets)
    path = pl.Series(np.repeat(np.arange(len(leaf)), lengths))
    steps = nodes.select("node_id", key=_text_key())[index].with_columns(path=path)
    lists = steps.group_by("path", maintain_order=True).agg("node_id", "key")
    heads = nodes.select("thread_id", "topic", "posted_utc", leaf_id="node_id")[leaf]
    joined = (heads["thread_id"] + heads["leaf_id"]).to_list()
    ids = [hashlib.sha1(text.encode()).hexdigest()[:16] for text in joined]
    return heads.select(
        "thread_id", "topic", "posted_utc",
        dialogue_id=pl.Series(ids, dtype=pl.String),
        utterance_ids=lists["node_id"],
        n_turns=pl.Series(lengths),
        text_key=lists["key"],
        row=pl.Series(leaf),
    ).select(*COLUMNS, "posted_utc", "row", "text_key")  # fmt: skip


def _text_key() -> pl.Expr:
    return pl.col("text").str.to_lowercase().str.replace_all(r"\W+", " ").str.strip_chars().hash(1)


def select(
    found: pl.DataFrame, nodes: pl.DataFrame, settings: BuildSettings
) -> tuple[pl.DataFrame, Drops]:
    """The dialogues kept of the paths ``found``, sorted on their id, and the drops per rule.

    Earlier threads take precedence. ``duplicate_dialogue`` repeats all texts of another;
    ``duplicate_target`` ends in the text of a dialogue of another tree; ``near_duplicate_target``
    nearly so. Dialogues of one tree are never compared by their targets: they share their turns
    by nature.
    """
    order = ["posted_utc", "thread_id", "dialogue_id"]
    rows = found.sort(order, nulls_last=True)
    drops = dict.fromkeys(("duplicate_dialogue", "duplicate_target", "near_duplicate_target"), 0)
    if settings.dedup:
        kept = rows.unique("text_key", keep="first", maintain_order=True)
        drops["duplicate_dialogue"] = rows.height - kept.height
        target = pl.col("text_key").list.last()
        rows = kept.filter(pl.col("thread_id") == pl.col("thread_id").first().over(target))
        drops["duplicate_target"] = kept.height - rows.height
        if settings.near_duplicates is not None:
            thread = rows["thread_id"].rank("dense").to_numpy().astype(np.int64)
            texts = nodes["text"].gather(rows["row"])
            again = pl.Series(near.repeats(texts, thread, settings.near_duplicates)) >= 0
            drops["near_duplicate_target"] = int(again.sum())
            rows = rows.filter(~again)
    return rows.select(COLUMNS).sort("dialogue_id"), drops
