"""The stage in the middle: a shard's rows become trees, cleaned and filtered, and their paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sad.build import (
    authors,
    clean,
    dialogues,
    forest,
    frames,
    near,
    outcome,
    partition,
    rules,
    stance,
    takedown,
    threads,
)  # fmt: skip
from sad.build import folder as built
from sad.build.job import Job
from sad.build.settings import BuildSettings
from sad.build.units import Stage, folder_of, write_counts

KEPT = tuple(
    name for name in built.UTTERANCES if name not in ("strategies", "strategy_mask", "spans")
)
"""The columns of a node that this stage leaves: those of its utterance."""


def stage(job: Job) -> Stage:
    """One unit per shard."""
    return Stage("trees", "sad.build.trees:make", partition.shards(job))


def make(job: Job, shard: int, folder: Path) -> None:
    """Write the kept nodes of a shard, the dropped ones, its threads and its paths; and counts."""
    rows, elsewhere = partition.rows_of(job, shard)
    joined = threads.join(rows)
    counts = {"seen": rows.height + elsewhere, **joined.counts}
    counts["duplicates"] += elsewhere
    known = outcome.stated(rows)
    del rows
    nodes = _label(joined.nodes, known)
    nodes, changed = _clean(nodes, job.settings)
    kept, dropped = _filter(nodes, job)
    untimed = nodes.filter((pl.col("parent") < 0) & pl.col("posted_utc").is_null()).height
    found = dialogues.paths(kept, job.settings)
    write_counts(
        folder,
        {
            "threads": counts,
            "nodes": nodes.height,
            "kept": kept.height,
            "dropped": dict(dropped["rule"].value_counts().sort("rule").iter_rows()),
            "changed": changed,
            "threads_without_time": untimed,
            "paths": found.seen,
            "paths_dropped": found.drops,
        },
    )
    _write(kept, found, job, folder)
    frames.write_ipc(pl.concat([joined.dropped, dropped]), folder / "dropped.arrow")


def _write(kept: pl.DataFrame, found: dialogues.Paths, job: Job, folder: Path) -> None:
    own = kept["thread_id"].rle_id().to_numpy()[found.leaf]
    used, thread, n_paths = np.unique(own, return_inverse=True, return_counts=True)
    first = np.searchsorted(own, used)
    heads = kept.select("thread_id", "topic", "posted_utc")[found.leaf[first]]
    frames.write_ipc(heads.with_columns(n_paths=pl.Series(n_paths)), folder / "threads.arrow")
    facts = pl.DataFrame(
        {
            "dialogue_id": dialogues.ids(kept, found.leaf),
            "thread": thread.astype(np.uint32),
            "n_turns": np.diff(found.offsets),
        }
    )
    settings = job.settings
    if settings.dedup:
        words = kept.select(clean.normal(pl.col("text"))).to_series()
        keys = dialogues.text_keys(words)
        facts = facts.with_columns(
            text_key=keys[found.leaf], path_key=dialogues.path_keys(kept, keys)[found.leaf]
        )
        if settings.near_duplicates is not None:
            frames.write_array(near.sketches(words.gather(found.leaf)), folder / "sketches.npy")
    frames.write_ipc(facts, folder / "facts.arrow")
    frames.write_array(found.leaf, folder / "leaves.npy")
    frames.write_array(found.turns.astype(np.uint32), folder / "turns.npy")
    rows = kept.rename({"node_id": "utterance_id", "by_op": "is_op"}).select(KEPT)
    frames.write_ipc(rows, folder / "kept.arrow")


def path(job: Job, shard: int, name: str) -> Path:
    """Where the stage left the file ``name`` of a shard."""
    return folder_of(job.work, "trees", shard) / name


def read(job: Job, shard: int, name: str) -> pl.DataFrame:
    """A table that the stage left: kept, dropped, threads or facts."""
    return pl.read_ipc(path(job, shard, f"{name}.arrow"))


def load(job: Job, shard: int, name: str) -> np.ndarray[Any, Any]:
    """An array that the stage left (leaves, turns or sketches), on the disk until it is used."""
    array: np.ndarray[Any, Any] = np.load(path(job, shard, f"{name}.npy"), mmap_mode="r")
    return array


def _label(nodes: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """``nodes`` with ``delta``, ``delta_by``, ``stance``, ``stance_confidence``, ``label_source``.

    A stance that the source states comes before the rules of ``stance``.
    """
    given = outcome.awards(nodes)
    found = outcome.outcomes(nodes, given, known).rename({"by": "delta_by"})
    nodes = nodes.join(found, on="node_id", how="left", maintain_order="left")
    is_award = np.zeros(nodes.height, bool)
    is_award[given["award"].to_numpy()] = True
    nodes = nodes.with_columns(awards=pl.Series(is_award))
    ruled = stance.by_structure(nodes)
    told = pl.col("told_stance")
    return nodes.with_columns(ruled["stance"], ruled["stance_confidence"]).with_columns(
        stance=pl.coalesce(told, "stance"),
        stance_confidence=pl.when(told.is_not_null())
        .then(stance.STATED)
        .otherwise("stance_confidence"),
        label_source=pl.when(told.is_not_null())
        .then(pl.lit("stance:source"))
        .otherwise(pl.lit("stance:structure")),
    )


def _clean(nodes: pl.DataFrame, settings: BuildSettings) -> tuple[pl.DataFrame, dict[str, int]]:
    """``nodes`` with ``text``, ``n_words`` and ``topic``; and how many texts each step changed."""
    text, changed = nodes["body"].fill_null(""), {}
    for name in settings.clean:
        text, changed[name] = clean.run(name, text)
    posts = nodes.filter(pl.col("parent") < 0)["title"].fill_null("")
    if settings.clean:
        posts = posts.to_frame("title").select(clean.topic(pl.col("title"))).to_series()
    nodes = nodes.with_columns(
        text=text,
        topic=posts.gather(nodes["thread_id"].rle_id()),
        n_words=clean.words(text, tidy=settings.tidy),
    )
    return nodes, changed


def _filter(nodes: pl.DataFrame, job: Job) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The nodes kept, with their ``parent`` rows renumbered; and the dropped with their rule.

    ``is_leaf`` says of a kept node that nothing answered it before the filter either.
    """
    settings = job.settings
    parent = nodes["parent"].to_numpy()
    has_reply = np.zeros(nodes.height, bool)
    has_reply[parent[parent >= 0]] = True
    nodes = nodes.with_columns(
        taken_down=takedown.named(job.takedowns()),
        speaker=authors.speakers(nodes["author"], job.author_key()),
        by_op=pl.col("by_op").fill_null(False),
        n_stopwords=rules.N_STOPWORDS if rules.NEED_STOPWORDS & {*settings.drop} else pl.lit(0),
        is_leaf=pl.Series(~has_reply),
    )
    nodes = nodes.with_columns(rule=rules.reason(settings))
    lost = forest.inherited(nodes["rule"].is_not_null().to_numpy(), parent)
    rule: pl.Expr = pl.when(pl.Series(lost)).then(pl.col("rule").fill_null(rules.PRUNED))
    if not settings.include_post:
        # The post stays the root while its subtree is judged, and is no turn afterwards.
        left_out = (parent < 0) & ~lost
        rule = pl.when(pl.Series(left_out)).then(pl.lit("post_left_out")).otherwise(rule)
        lost |= left_out
    dropped = nodes.select("node_id", "thread_id", rule=rule).filter(pl.Series(lost))
    place = np.append(np.where(lost, -1, np.cumsum(~lost) - 1), -1)  # the last: no parent
    kept = nodes.with_columns(parent=pl.Series(place[parent])).filter(pl.Series(~lost))
    return kept, dropped
