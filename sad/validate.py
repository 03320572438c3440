"""The promises of a built folder, one check each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from sad.build import folder as built
from sad.build.split import SPLITS
from sad.types import STRATEGY_LABELS

Tables = dict[str, pl.DataFrame]
Check = Callable[[Tables], str | None]

_THIN = ["dialogue_id", "topic_group", "split", "split_time", "rank"]


def checks(folder: Path) -> Iterator[tuple[str, str | None]]:
    """(promise, what breaks it or None) for every promise of the format.

    A shard is held in memory at a time, and of all shards a few columns without text.

    Raises:
        DataError: the folder is no finished build, or a table cannot be read.
    """
    names = [
        "utterances",
        "dialogues",
        "pairs",
        *(["examples"] if built.is_labelled(folder) else []),
    ]
    yield "every stage: kept + dropped = seen", _conserved(folder)
    for split in SPLITS:
        rows = built.read(folder, "dialogues", split, columns=["dialogue_id", "split"])
        wrong = rows.filter(pl.col("split") != split)
        yield f"dialogues/{split} holds only that split", _first(wrong, "dialogue_id")
    thin = {
        "utterances": built.read(folder, "utterances", columns=["utterance_id"]),
        "dialogues": built.read(folder, "dialogues", columns=_THIN),
    }
    for check in (_unique, _groups, _ranks):
        yield str(check.__doc__).rstrip("."), check(thin)
    yield from _of_shards(folder, names)


def _of_shards(folder: Path, names: list[str]) -> Iterator[tuple[str, str | None]]:
    faults: dict[str, str | None] = {}
    shards = len(built.files(folder, "utterances"))
    for number in range(shards):
        tables = {name: _shard(folder, name, number, shards) for name in names}
        found = {f"{name}: columns and types": _typed(name, tables[name]) for name in names}
        checks = [_known, _paths, _leakage, _parents, _outcomes, _confidence, _pairs]
        checks += [_masks, _spans, _examples] if "examples" in names else []
        if not any(found.values()):
            found |= {str(check.__doc__).rstrip("."): check(tables) for check in checks}
        for promise, fault in found.items():
            faults[promise] = faults.get(promise) or fault
    yield from faults.items()


def _shard(folder: Path, table: str, number: int, shards: int) -> pl.DataFrame:
    splits = ("train",) if table == "utterances" else SPLITS
    paths = [built.shard(folder, table, split, number, shards) for split in splits]
    return pl.concat([built.read_file(path, table) for path in paths])


def _first(wrong: pl.DataFrame, column: str) -> str | None:
    return f"{wrong.height} rows, the first is {wrong[column][0]}" if wrong.height else None


def _conserved(folder: Path) -> str | None:
    for stage, c in built.counts(folder).items():
        if c["kept"] + sum(c["dropped"].values()) != c["seen"]:
            return f"stage {stage}"
    return None


def _typed(name: str, table: pl.DataFrame) -> str | None:
    wrong = [c for c, dtype in built.TABLES[name].items() if table.schema.get(c) != dtype]
    return f"columns {', '.join(wrong)}" if wrong else None


def _turns(tables: Tables) -> pl.DataFrame:
    """One row per turn of a dialogue: dialogue_id, split, topic_group, place, utterance_id."""
    dialogues = tables["dialogues"].with_columns(place=pl.int_ranges(0, pl.col("n_turns")))
    rows = dialogues.select(
        "dialogue_id", "thread_id", "split", "topic_group", "place", utterance_id="utterance_ids"
    )
    return rows.explode("place", "utterance_id")


def _unique(tables: Tables) -> str | None:
    """Utterance and dialogue ids are unique."""
    for table, column in (("utterances", "utterance_id"), ("dialogues", "dialogue_id")):
        doubled = tables[table].filter(pl.col(column).is_duplicated())
        if doubled.height:
            return _first(doubled, column)
    return None


def _known(tables: Tables) -> str | None:
    """Every turn of a dialogue is an utterance of its thread, every utterance is a turn."""
    both = ["utterance_id", "thread_id"]
    turns, utterances = _turns(tables), tables["utterances"]
    lost = turns.join(utterances, on=both, how="anti")
    return _first(pl.concat([lost.select(both), utterances.join(turns, on=both, how="anti")
                             .select(both)]), "utterance_id")  # fmt: skip


def _paths(tables: Tables) -> str | None:
    """Dialogues run downwards from the post, or from below it, each turn answering the last."""
    turns = _turns(tables).join(
        tables["utterances"].select("utterance_id", "parent_id", "depth"),
        on="utterance_id", how="left", maintain_order="left",
    )  # fmt: skip
    before = pl.col("utterance_id").shift(1).over("dialogue_id")
    first = pl.col("depth").first().over("dialogue_id")
    broken = (pl.col("depth") != pl.col("place") + first) | (first > 1)
    broken |= (pl.col("place") > 0) & before.ne_missing(pl.col("parent_id"))
    return _first(turns.filter(broken), "dialogue_id")


def _leakage(tables: Tables) -> str | None:
    """No utterance id is in two splits."""
    spread = _turns(tables).group_by("utterance_id").agg(n=pl.col("split").n_unique())
    return _first(spread.filter(pl.col("n") > 1), "utterance_id")


def _groups(tables: Tables) -> str | None:
    """No topic group is in two splits, by hash or by time."""
    for column in ("split", "split_time"):
        spread = (
            tables["dialogues"]
            .group_by("topic_group")
            .agg(n=pl.col(column).drop_nulls().n_unique())
        )
        if (wrong := spread.filter(pl.col("n") > 1)).height:
            return f"{column}: {_first(wrong, 'topic_group')}"
    return None


def _parents(tables: Tables) -> str | None:
    """Only posts lack a parent; every other parent is in the table, or is a post left out."""
    rows = tables["utterances"]
    known = rows.select(parent_id="utterance_id")
    post_left_out = (pl.col("depth") == 1) & (pl.col("parent_id") == pl.col("thread_id"))
    replies = rows.filter(pl.col("parent_id").is_not_null() & ~post_left_out)
    lost = replies.join(known, on="parent_id", how="anti")
    odd = rows.filter(pl.col("parent_id").is_null() != (pl.col("depth") == 0))
    return _first(pl.concat([lost, odd]), "utterance_id")


def _ranks(tables: Tables) -> str | None:
    """Ranks number the dialogues of each split from 0."""
    rows = tables["dialogues"].sort("split", "rank")
    wrong = rows.filter(pl.col("rank") != pl.int_range(pl.len()).over("split"))
    return _first(wrong, "dialogue_id")


def _outcomes(tables: Tables) -> str | None:
    """Who awarded a delta is said of awarded ones only: op, other, or not known."""
    rows = tables["utterances"].filter(pl.col("delta_by").is_not_null())
    fine = pl.col("delta") & pl.col("delta_by").is_in(["op", "other"])
    return _first(rows.filter(~fine.fill_null(False)), "utterance_id")


def _confidence(tables: Tables) -> str | None:
    """Stances are 0, 1 or missing, their confidences between 0 and 1 or missing."""
    sure, stance = pl.col("stance_confidence"), pl.col("stance")
    odd = (sure < 0) | (sure > 1) | sure.is_nan() | ~stance.is_in([0, 1])
    return _first(tables["utterances"].filter(odd.fill_null(False)), "utterance_id")


def _pairs(tables: Tables) -> str | None:
    """Pairs join a comment with a delta of the post's author and one without, of one thread."""
    both = tables["pairs"]
    for side, delta in (("won_id", True), ("lost_id", False)):
        known = tables["utterances"].filter(pl.col("delta") == delta)
        known = known.select("thread_id", pl.col("utterance_id").alias(side))
        lost = both.join(known, on=["thread_id", side], how="anti")
        if lost.height or both[side].n_unique() != both.height:
            return _first(lost, "pair_id") or f"a {side} is in two pairs"
    return None


def _masks(tables: Tables) -> str | None:
    """Strategies are in canonical order and equal their mask; stances are 0 or 1."""
    rows = tables["utterances"].with_columns(
        named=pl.concat_list(
            pl.when((pl.col("strategy_mask") & (1 << bit)) > 0).then(pl.lit(label))
            for bit, label in enumerate(STRATEGY_LABELS)
        ).list.drop_nulls()
    )
    same = pl.col("named").list.join(" ") == pl.col("strategies").list.join(" ")
    fine = same & pl.col("stance").is_in([0, 1])
    return _first(rows.filter(~fine.fill_null(False)), "utterance_id")


def _spans(tables: Tables) -> str | None:
    """Spans lie inside their text and carry labels of their utterance."""
    rows = tables["utterances"].select("utterance_id", "text", "strategies", "spans")
    rows = rows.explode("spans", keep_nulls=False, empty_as_null=False).unnest("spans")
    inside = (pl.col("start") >= 0) & (pl.col("start") < pl.col("end"))
    inside &= pl.col("end") <= pl.col("text").str.len_chars()
    fine = inside & pl.col("strategies").list.contains(pl.col("label"))
    return _first(rows.filter(~fine), "utterance_id")


def _examples(tables: Tables) -> str | None:
    """Examples are the dialogues: same ids, same length, same last turn."""
    last = tables["utterances"].select("utterance_id", "text", "stance", "strategies")
    rows = tables["dialogues"].with_columns(utterance_id=pl.col("utterance_ids").list.last())
    rows = rows.join(last, on="utterance_id", how="left").join(
        tables["examples"], on="dialogue_id", how="full"
    )
    fine = (pl.col("text") == pl.col("target")) & (pl.col("stance") == pl.col("target_stance"))
    fine &= pl.col("history").list.len() + 1 == pl.col("n_turns")
    fine &= pl.col("strategies") == pl.col("target_strategies")
    return _first(rows.filter(~fine.fill_null(False)), "dialogue_id")
