"""The build: from a source of threads to a folder of dialogues."""

from __future__ import annotations

import hashlib
import logging
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
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
    pairs,
    rules,
    split,
    stance,
    takedown,
)  # fmt: skip
from sad.build import folder as built
from sad.build.outcome import awards, by_post_author, outcomes
from sad.build.settings import BuildSettings
from sad.build.sources import Source
from sad.build.threads import LOST, join
from sad.errors import DataError, SettingsError
from sad.files import read_json, sha256, write_json, write_text
from sad.release.card import write_card
from sad.settings import read_yaml

log = logging.getLogger(__name__)

Counts = dict[str, dict[str, Any]]


def build(
    source: Source,
    out: Path,
    settings: BuildSettings,
    key: bytes,
    *,
    taken_down: frozenset[str] = frozenset(),
    on_stage: Callable[[str], None] = lambda _: None,
) -> Counts:
    """The counts per stage of the finished build in ``out``.

    A finished build with the same settings, input, takedown list and key is left as it is.

    Raises:
        SettingsError: ``out`` was built from something else, or is not ours.
        DataError: the input cannot be read or the folder cannot be written.
    """
    _refuse_foreign(out)
    with built.locked(out):
        on_stage("checking the input")
        manifest = _manifest(source, key, taken_down)
        if _is_done(out, settings, manifest):
            log.info("%s is already built with these settings", out)
            return built.counts(out)
        run = out / ".run"
        (run / built.LABELS_RECORD).unlink(missing_ok=True)
        write_text(run / "settings.yaml", settings.to_yaml())
        write_json(run / "manifest.json", manifest)

        def stage(name: str) -> None:
            built.note(out, name)
            on_stage(name)

        stage("reading")
        tables, read_counts = source.read(settings)
        tree = _trees(tables, settings, key, taken_down, stage)
        counts = {"read": read_counts} | _write(tree, out, settings, stage)
        write_json(run / "counts.json", counts)
        write_card(out, labelled=False)
        write_text(run / "done", settings.digest() + "\n")
        built.note(out, f"built {counts['paths']['dialogues']} dialogues")
        return counts


@dataclass(frozen=True, slots=True)
class _Trees:
    """Kept nodes, all dropped ones (node_id, thread_id, rule), and what was counted."""

    kept: pl.DataFrame
    dropped: pl.DataFrame
    counts: Counts


def _trees(
    tables: dict[str, pl.DataFrame],
    settings: BuildSettings,
    key: bytes,
    taken_down: frozenset[str],
    on_stage: Callable[[str], None],
) -> _Trees:
    """Joined, labelled, cleaned and filtered nodes."""
    on_stage("joining threads")
    threads = join(tables["submissions"], tables["comments"])
    seen = tables["submissions"].height + tables["comments"].height
    left_out = {name: threads.counts[name] for name in ("duplicates", *LOST)}
    counts = {"threads": _stage(seen, threads.nodes.height, left_out, **threads.counts)}
    on_stage("cleaning and filtering")
    nodes = _label(threads.nodes, tables["outcome"], tables.get("labels"))
    nodes = nodes.with_columns(
        taken_down=takedown.named(taken_down),
        speaker=authors.speakers(nodes["author"], key),
        is_op=by_post_author(nodes).fill_null(False),
    )
    nodes, changed = _clean(nodes, settings)
    kept, dropped = _filter(nodes, settings)
    drops = dict(dropped["rule"].value_counts().sort("rule").iter_rows())
    untimed = nodes.filter((pl.col("parent") < 0) & pl.col("posted_utc").is_null()).height
    counts["nodes"] = _stage(
        nodes.height, kept.height, drops, changed=changed, threads_without_time=untimed
    )
    return _Trees(kept, pl.concat([threads.dropped, dropped]), counts)


def _write(
    trees: _Trees, out: Path, settings: BuildSettings, on_stage: Callable[[str], None]
) -> Counts:
    """Dialogues, splits and all tables of the folder."""
    on_stage("walking paths")
    kept, counts = trees.kept, dict(trees.counts)
    found, seen, drops = dialogues.paths(kept, settings)
    on_stage("looking for duplicates")
    chosen, repeated = dialogues.select(found, kept, settings)
    per_tree = found["thread_id"].value_counts()["count"].sort(descending=True)
    counts["paths"] = _stage(
        seen, chosen.height, drops | repeated, paths=seen, dialogues=chosen.height,
        most_paths_of_a_tree=max(per_tree, default=0),
        paths_of_the_top_percent_of_trees=int(per_tree.head(-(-len(per_tree) // 100)).sum()),
    )  # fmt: skip
    on_stage("splitting")
    posted = kept.select("thread_id", "posted_utc").unique()
    chosen, grouped = split.assign(chosen, posted, settings.split)
    sizes = {name: chosen.filter(pl.col("split") == name).height for name in split.SPLITS}
    used = chosen["utterance_ids"].explode().unique()
    on_stage("writing")
    utterances = _utterances(kept).filter(pl.col("utterance_id").is_in(used.implode()))
    unused = {"in_no_dialogue": kept.height - utterances.height}
    matched = pairs.match(utterances, chosen)
    counts["utterances"] = _stage(
        kept.height, utterances.height, unused, matched_pairs=matched.height
    )
    counts["splits"] = _stage(chosen.height, sum(sizes.values()), {}, **sizes, **grouped)
    rows = kept.select("node_id", "thread_id", rule=pl.lit("in_no_dialogue"))
    rows = rows.filter(~pl.col("node_id").is_in(used.implode()))
    lost = pl.concat([trees.dropped, rows]).sort("thread_id", "node_id", "rule")
    frames.write_parquet(lost, out / ".run" / "dropped.parquet")
    by_structure = utterances.select(
        "utterance_id", "stance", "stance_confidence", stance_source="label_source"
    )
    frames.write_parquet(by_structure, out / ".run" / built.STRUCTURE)
    frames.write_parquet(utterances, built.shard(out, "utterances", "train"))
    for name in split.SPLITS:
        for table, rows in (("dialogues", chosen), ("pairs", matched)):
            mine = rows.filter(pl.col("split") == name).select(list(built.TABLES[table]))
            frames.write_parquet(mine.sort(mine.columns[0]), built.shard(out, table, name))
    return counts


def _label(nodes: pl.DataFrame, known: pl.DataFrame, stated: pl.DataFrame | None) -> pl.DataFrame:
    """``nodes`` with ``delta``, ``delta_by``, ``stance``, ``stance_confidence``, ``label_source``.

    A stance that the source states comes before the rules of ``stance``.
    """
    given = awards(nodes)
    found = outcomes(nodes, given, known).select("node_id", "delta", delta_by="by")
    nodes = nodes.join(found, on="node_id", how="left", maintain_order="left")
    row = pl.int_range(pl.len(), dtype=pl.Int64)
    nodes = nodes.with_columns(awards=row.is_in(given["award"].implode()))
    ruled = stance.by_structure(nodes)
    nodes = nodes.with_columns(
        ruled["stance"], ruled["stance_confidence"], label_source=pl.lit("stance:structure")
    )
    if stated is None:
        return nodes
    told = stated.filter(pl.col("stance").is_in([0, 1]))
    told = told.unique("utterance_id", keep="first", maintain_order=True)
    told = told.select(node_id="utterance_id", told="stance")
    nodes = nodes.join(told, on="node_id", how="left", maintain_order="left")
    is_told = pl.col("told").is_not_null()
    return nodes.with_columns(
        stance=pl.coalesce("told", "stance"),
        stance_confidence=pl.when(is_told).then(stance.STATED).otherwise("stance_confidence"),
        label_source=pl.when(is_told).then(pl.lit("stance:source")).otherwise("label_source"),
    ).drop("told")


def _clean(nodes: pl.DataFrame, settings: BuildSettings) -> tuple[pl.DataFrame, dict[str, int]]:
    """``nodes`` with ``text``, ``n_words`` and ``topic``; and how many texts each step changed."""
    nodes = nodes.with_columns(text=pl.col("body").fill_null(""))
    changed = {}
    for name in settings.clean:
        before = nodes["text"]
        nodes = nodes.with_columns(text=clean.STEPS[name](pl.col("text")))
        changed[name] = int((before != nodes["text"]).sum())
    title = pl.col("title").fill_null("")
    topic = clean.topic(title) if settings.clean else title
    posts = nodes.filter(pl.col("parent") < 0)
    posts = posts.select("thread_id", topic=topic)
    nodes = nodes.join(posts, on="thread_id", how="left", maintain_order="left")
    n_words = pl.col("text").str.count_matches(r"\S+").cast(pl.Int64)
    return nodes.with_columns(n_words=n_words), changed


def _filter(nodes: pl.DataFrame, settings: BuildSettings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The nodes kept, with their ``parent`` rows renumbered; and the dropped with their rule.

    ``is_leaf`` says of a kept node that nothing answered it before the filter either.
    """
    parent = nodes["parent"].to_numpy()
    has_reply = pl.Series(parent[parent >= 0]).implode()
    nodes = nodes.with_columns(
        rule=rules.reason(settings), is_leaf=~pl.int_range(pl.len()).is_in(has_reply)
    )
    lost = pl.Series(forest.inherited(nodes["rule"].is_not_null().to_numpy(), parent))
    rule: pl.Expr = pl.when(lost).then(pl.col("rule").fill_null(rules.PRUNED))
    if not settings.include_post:
        # The post stays the root while its subtree is judged, and is no turn afterwards.
        left_out = pl.Series(parent < 0) & ~lost
        rule = pl.when(left_out).then(pl.lit("post_left_out")).otherwise(rule)
        lost |= left_out
    nodes = nodes.with_columns(rule=rule)
    place = pl.Series(np.where(lost.to_numpy(), -1, np.cumsum(~lost.to_numpy()) - 1))
    new = np.where(parent >= 0, place.to_numpy()[np.maximum(parent, 0)], -1)
    kept = nodes.with_columns(parent=pl.Series(new)).filter(~lost).drop("rule")
    return kept, nodes.filter(lost).select("node_id", "thread_id", "rule")


def _utterances(kept: pl.DataFrame) -> pl.DataFrame:
    rows = kept.with_columns(
        utterance_id="node_id",
        strategies=pl.lit(None, built.UTTERANCES["strategies"]),
        strategy_mask=pl.lit(None, pl.UInt8),
        spans=pl.lit(None, built.SPANS),
    )
    return rows.select(list(built.UTTERANCES)).sort("thread_id", "depth", "utterance_id")


def _stage(seen: int, kept: int, dropped: dict[str, int], **more: Any) -> dict[str, Any]:
    return {"seen": seen, "kept": kept, "dropped": dropped, **more}


def _refuse_foreign(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise SettingsError(f"{out} is a file; --out must be a folder")
    if out.is_dir() and not (out / ".run").is_dir() and any(out.iterdir()):
        raise SettingsError(f"{out} holds something that is not a build; choose another folder")


def _manifest(source: Source, key: bytes, taken_down: frozenset[str]) -> dict[str, Any]:
    for path in source.files():
        if not path.is_file():
            raise DataError(path, "is missing")
    return {
        "inputs": sorted(sha256(path) for path in source.files()),
        "takedown": hashlib.sha256("\n".join(sorted(taken_down)).encode()).hexdigest()[:16],
        "author_key": authors.key_digest(key),
        "versions": {
            "sad-dialogue": version("sad-dialogue"),
            "polars": pl.__version__,
            "python": platform.python_version(),
        },
    }


def _is_done(out: Path, settings: BuildSettings, manifest: dict[str, Any]) -> bool:
    """Whether ``out`` holds this very build; refuses one that was made of something else.

    A build that was not finished holds nothing to lose and is made anew.
    """
    run = out / ".run"
    if not (run / "done").exists():
        return False
    old, new = read_yaml(run / "settings.yaml"), settings.dump()
    others = sorted(k for k in old.keys() | new.keys() if old.get(k) != new.get(k))
    before = read_json(run / "manifest.json")
    others += [k for k in ("inputs", "takedown", "author_key") if before.get(k) != manifest[k]]
    ours = "sad-dialogue"
    if before["versions"][ours] != manifest["versions"][ours]:
        others.append(f"version of {ours} ({before['versions'][ours]})")
    if others:
        names = ", ".join(others)
        raise SettingsError(f"{out} was built with other {names}; choose another --out")
    return True
