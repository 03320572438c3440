"""The build: from a source of threads to a folder of dialogues."""

from __future__ import annotations

import logging
import platform
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from sad.build import authors, clean, dialogues, forest, frames, readers, rules, split, stance
from sad.build import folder as built
from sad.build.outcome import awards, outcomes
from sad.build.settings import BuildSettings
from sad.build.threads import join
from sad.errors import DataError, SettingsError
from sad.files import read_json, sha256, write_json, write_text
from sad.release.card import write_card
from sad.settings import read_yaml

log = logging.getLogger(__name__)

Counts = dict[str, dict[str, Any]]


class Source(Protocol):
    """Where threads come from."""

    def files(self) -> list[Path]:
        """The input files, whose digests go into the manifest."""

    def read(self, settings: BuildSettings) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
        """The tables of ``frames.TABLES`` and the counts of the stage ``read``."""


@dataclass(frozen=True, slots=True)
class Dumps:
    """Pushshift files. A comment that no DeltaBot confirms has earned no delta."""

    submissions: tuple[Path, ...]
    comments: tuple[Path, ...]

    def files(self) -> list[Path]:
        """All dump files."""
        return [*self.submissions, *self.comments]

    def read(self, settings: BuildSettings) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
        """Parse the dumps; duplicated arguments are read once."""
        counts: Counter[str] = Counter()
        posts = readers.submissions(dict.fromkeys(self.submissions), settings.subreddit, counts)
        replies = readers.comments(dict.fromkeys(self.comments), settings.subreddit, counts)
        known = replies.select(comment_id="id", delta=pl.lit(False), by=pl.lit(None, pl.String))
        left_out = ("blank", "bad_json", "no_id", "other_subreddit")
        return {"submissions": posts, "comments": replies, "outcome": known.unique("comment_id")}, {
            "seen": counts["seen"],
            "kept": counts["kept"],
            "dropped": {name: counts[name] for name in left_out},
            "undecodable": counts["undecodable"],
            "submissions": posts.height,
            "comments": replies.height,
        }


@dataclass(frozen=True, slots=True)
class ThreadFolder:
    """A folder made by ``sad import``. Outcomes are those of its outcome table."""

    path: Path

    def files(self) -> list[Path]:
        """The three tables."""
        return [self.path / f"{name}.parquet" for name in frames.TABLES]

    def read(self, settings: BuildSettings) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
        """Read the tables."""
        tables = frames.read_threads(self.path)
        posts, replies = tables["submissions"].height, tables["comments"].height
        seen = posts + replies
        return tables, {
            "seen": seen, "kept": seen, "dropped": {}, "submissions": posts, "comments": replies
        }  # fmt: skip


def build(
    source: Source,
    out: Path,
    settings: BuildSettings,
    key: bytes,
    *,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Counts:
    """The counts per stage of the finished build in ``out``.

    A finished build with the same settings, input and key is left as it is.

    Raises:
        SettingsError: ``out`` was built from something else, or is not ours.
        DataError: the input cannot be read or the folder cannot be written.
    """
    _refuse_foreign(out)
    with built.locked(out):
        on_stage("checking the input")
        manifest = _manifest(source, key)
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

        counts = _run(source, out, settings, key, stage)
        write_json(run / "counts.json", counts)
        write_card(out, labelled=False)
        write_text(run / "done", settings.digest() + "\n")
        built.note(out, f"built {counts['paths']['dialogues']} dialogues")
        return counts


def _run(
    source: Source,
    out: Path,
    settings: BuildSettings,
    key: bytes,
    on_stage: Callable[[str], None],
) -> Counts:
    on_stage("reading")
    tables, read_counts = source.read(settings)
    counts: Counts = {"read": read_counts}
    on_stage("joining threads")
    threads = join(tables["submissions"], tables["comments"])
    left_out = {k: threads.counts[k] for k in ("duplicates", "orphans", "cycles")}
    seen = read_counts["kept"]
    counts["threads"] = _stage(seen, threads.nodes.height, left_out, **threads.counts)
    on_stage("cleaning and filtering")
    nodes = _label_outcomes(threads.nodes, tables["outcome"])
    nodes, changed = _clean(nodes, settings)
    kept, dropped = _filter(nodes, settings)
    drops = dict(dropped["rule"].value_counts().sort("rule").iter_rows())
    counts["nodes"] = _stage(nodes.height, kept.height, drops, changed=changed)
    on_stage("walking paths")
    found = dialogues.paths(kept)
    chosen, drops = dialogues.select(found, settings)
    counts["paths"] = _stage(
        found.height, chosen.height, drops, paths=found.height, dialogues=chosen.height
    )
    posted = kept.filter(pl.col("parent") < 0).select("thread_id", "posted_utc")
    chosen = split.assign(chosen, posted, settings.split)
    used = chosen["utterance_ids"].explode().unique()
    on_stage("writing")
    utterances = _utterances(kept, key).filter(pl.col("utterance_id").is_in(used.implode()))
    drops = {"in_no_dialogue": kept.height - utterances.height}
    counts["utterances"] = _stage(kept.height, utterances.height, drops)
    sizes = {name: chosen.filter(pl.col("split") == name).height for name in split.SPLITS}
    groups = chosen["topic_group"].n_unique()
    counts["splits"] = _stage(chosen.height, sum(sizes.values()), {}, **sizes, topic_groups=groups)
    unused = kept.select("node_id", "thread_id", rule=pl.lit("in_no_dialogue"))
    unused = unused.filter(~pl.col("node_id").is_in(used.implode()))
    lost = pl.concat([threads.dropped, dropped, unused]).sort("thread_id", "node_id", "rule")
    frames.write_parquet(lost, out / ".run" / "dropped.parquet")
    by_structure = utterances.select("utterance_id", "stance")
    frames.write_parquet(by_structure, out / ".run" / built.STRUCTURE)
    frames.write_parquet(utterances, built.shard(out, "utterances", "train"))
    for name in split.SPLITS:
        rows = chosen.filter(pl.col("split") == name).select(list(built.DIALOGUES))
        frames.write_parquet(rows.sort("dialogue_id"), built.shard(out, "dialogues", name))
    return counts


def _label_outcomes(nodes: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    given = awards(nodes)
    found = outcomes(nodes, given, known).select("node_id", "delta")
    nodes = nodes.join(found, on="node_id", how="left", maintain_order="left")
    by_op = given.filter(pl.col("by_op").fill_null(False))["award"]
    row = pl.int_range(pl.len(), dtype=pl.Int64)
    nodes = nodes.with_columns(concedes=row.is_in(by_op.implode()))
    return nodes.with_columns(stance=stance.by_structure(nodes))


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
    topics = nodes.filter(pl.col("parent") < 0).select("thread_id", topic=topic)
    nodes = nodes.join(topics, on="thread_id", how="left", maintain_order="left")
    n_words = pl.col("text").str.count_matches(r"\S+").cast(pl.Int64)
    return nodes.with_columns(n_words=n_words), changed


def _filter(nodes: pl.DataFrame, settings: BuildSettings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The nodes kept, with their ``parent`` rows renumbered; and the dropped with their rule."""
    nodes = nodes.with_columns(rule=rules.reason(settings))
    bad = nodes["rule"].is_not_null().to_numpy()
    parent = nodes["parent"].to_numpy()
    lost = pl.Series(forest.inherited(bad, parent))
    nodes = nodes.with_columns(
        rule=pl.when(lost & pl.col("rule").is_null())
        .then(pl.lit(rules.PRUNED))
        .otherwise(pl.col("rule"))
    )
    place = pl.Series((~lost).cum_sum().cast(pl.Int64) - 1)
    above = pl.Series(parent)
    new = pl.select(
        pl.when(above >= 0).then(place.gather(above.clip(0))).otherwise(above)
    ).to_series()
    kept = nodes.with_columns(parent=new).filter(~lost).drop("rule")
    return kept, nodes.filter(lost).select("node_id", "thread_id", "rule")


def _utterances(kept: pl.DataFrame, key: bytes) -> pl.DataFrame:
    rows = kept.with_columns(speaker=authors.speakers(kept["author"], key))
    rows = rows.join(
        rows.filter(pl.col("parent") < 0).select("thread_id", op="speaker"),
        on="thread_id",
        how="left",
        maintain_order="left",
    )
    rows = rows.select(
        "thread_id", "parent_id", "depth", "speaker", "created_utc", "text", "n_words", "delta",
        "stance",
        utterance_id="node_id",
        is_op=(pl.col("parent") < 0) | (pl.col("speaker") == pl.col("op")).fill_null(False),
        strategies=pl.lit(None, built.UTTERANCES["strategies"]),
        strategy_mask=pl.lit(None, pl.UInt8),
        spans=pl.lit(None, built.SPANS),
        label_source=pl.lit("stance:structure"),
    )  # fmt: skip
    return rows.select(list(built.UTTERANCES)).sort("thread_id", "depth", "utterance_id")


def _stage(seen: int, kept: int, dropped: dict[str, int], **more: Any) -> dict[str, Any]:
    return {"seen": seen, "kept": kept, "dropped": dropped, **more}


def _refuse_foreign(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise SettingsError(f"{out} is a file; --out must be a folder")
    if out.is_dir() and not (out / ".run").is_dir() and any(out.iterdir()):
        raise SettingsError(f"{out} holds something that is not a build; choose another folder")


def _manifest(source: Source, key: bytes) -> dict[str, Any]:
    for path in source.files():
        if not path.is_file():
            raise DataError(path, "is missing")
    return {
        "inputs": sorted(sha256(path) for path in source.files()),
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
    others += [k for k in ("inputs", "author_key") if before.get(k) != manifest[k]]
    ours = "sad-dialogue"
    if before["versions"][ours] != manifest["versions"][ours]:
        others.append(f"version of {ours} ({before['versions'][ours]})")
    if others:
        names = ", ".join(others)
        raise SettingsError(f"{out} was built with other {names}; choose another --out")
    return True
