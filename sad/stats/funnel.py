"""What the build kept and dropped, and its sizes beside the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from sad.build import folder as built
from sad.constants import PAPER, PAPER_DIGEST

counts = built.counts


def rows(counts: dict[str, dict[str, Any]]) -> list[tuple[str, int, int, dict[str, int]]]:
    """(stage, seen, kept, dropped per rule that fired) in the order of the build."""
    return [
        (stage, c["seen"], c["kept"], {rule: n for rule, n in c["dropped"].items() if n})
        for stage, c in counts.items()
    ]


def sizes(folder: Path) -> list[tuple[str, int, float, str]]:
    """(what, ours, the paper's, remark) for each size that the paper or a digest of it states."""
    stages = built.counts(folder)
    digest = "digest of the paper"
    return [
        ("threads read", stages["threads"]["submissions"], PAPER_DIGEST["threads"], digest),
        ("nodes read", stages["threads"]["seen"], PAPER_DIGEST["nodes"], f"{digest}; doubtful"),
        ("topics", stages["splits"]["topic_groups"], PAPER_DIGEST["topics"], digest),
        ("dialogues", stages["paths"]["dialogues"], PAPER["dialogues"], "paper"),
        ("utterances", stages["utterances"]["kept"], PAPER_DIGEST["utterances"], digest),
    ]


def notes(folder: Path) -> list[str]:
    """What else the build counted and a reader should know, a line each."""
    stages = built.counts(folder)
    read, nodes, paths, splits = (stages[s] for s in ("read", "nodes", "paths", "splits"))
    oddities = {name: read.get(name, 0) for name in ("undecodable", "nul", "damaged_files")}
    odd = ", ".join(f"{name} {n:,}" for name, n in oddities.items() if n)
    won = built.read(folder, "utterances", columns=["delta_by"], where=pl.col("delta"))
    deltas = won["delta_by"].fill_null("unknown")
    by = ", ".join(f"{n:,} by {who}" for who, n in deltas.value_counts(sort=True).iter_rows())
    share = paths["paths_of_the_top_percent_of_trees"] / max(paths["seen"], 1)
    return [
        *([f"odd lines or files read: {odd}"] if odd else []),
        f"threads without a time, which pass the window: {nodes['threads_without_time']:,}",
        f"paths: at most {paths['most_paths_of_a_tree']:,} of a tree; the top 1 % of trees hold "
        f"{share:.1%}",
        f"topic groups: {splits['topic_groups']:,}, the largest of "
        f"{splits['largest_topic_group']:,} threads; near titles apart: "
        f"{splits['near_titles_apart']:,} pairs",
        f"split by time: train {splits['time_train']:,}, test {splits['time_test']:,}, dropped "
        f"from the train side {splits['time_crossing']:,}, without a time "
        f"{splits['time_unknown']:,}",
        f"deltas: {by or 'none'}; matched pairs: {stages['utterances']['matched_pairs']:,}",
    ]


def largest_groups(folder: Path, most: int = 5) -> list[tuple[int, list[str]]]:
    """(threads, first titles) of the largest topic groups of more than one thread."""
    columns = ["topic_group", "thread_id", "topic"]
    threads = built.read(folder, "dialogues", columns=columns).unique()
    groups = threads.sort("thread_id").group_by("topic_group").agg("topic", n=pl.len())
    groups = groups.filter(pl.col("n") > 1).sort("n", "topic_group", descending=[True, False])
    return [(row["n"], row["topic"][:8]) for row in groups.head(most).iter_rows(named=True)]
