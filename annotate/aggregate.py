"""From votes to one label set per utterance."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from annotate import votes as vote_table
from sad.build import folder as built
from sad.build import labels
from sad.errors import DataError, SettingsError
from sad.files import sha256
from sad.types import STRATEGY_LABELS

METHODS = ("majority",)

_ORDER = pl.Enum(STRATEGY_LABELS)


def run(folder: Path, method: str, vote_files: Iterable[Path] = ()) -> int:
    """Aggregate the votes on the built ``folder`` and join the labels to it; examples written.

    Args:
        folder: a built folder.
        method: one of ``METHODS``.
        vote_files: vote tables; default: all in ``folder/votes``.

    Raises:
        SettingsError: there is no such method.
        DataError: an utterance has no strategy vote.
    """
    if method not in METHODS:
        raise SettingsError(f"no method {method!r}; there are: {', '.join(METHODS)}")
    files = list(vote_files) or sorted((folder / "votes").glob("*.parquet"))
    known = built.read(folder, "utterances").select("utterance_id", "text")
    votes = vote_table.read(files).join(known, on="utterance_id", how="semi")
    if votes.is_empty():
        raise DataError(folder, "none of the votes is on an utterance of this folder")
    vote_table.check_texts(votes, known)
    record = {
        "method": method,
        "votes": [{"name": f.name, "sha256": sha256(f)} for f in files],
    }
    return labels.apply(folder, majority(votes, known), record)


def majority(votes: pl.DataFrame, utterances: pl.DataFrame) -> pl.DataFrame:
    """The label table (``sad.build.labels.LABELS``) of the utterances that ``votes`` are on.

    A strategy is kept when more than half of those who voted on the utterance named it; where none
    is, those with the most votes. A stance needs more than half; a tie leaves the build's. A span
    is kept when at least half of those who named its label marked it. Empty texts stay empty.

    Args:
        votes: ``annotate.votes.VOTES``.
        utterances: ``utterance_id``, ``text``.
    """
    cast = votes.filter(pl.col("kind") == "strategies")
    per_label = (
        cast.select("utterance_id", label="value")
        .explode("label", empty_as_null=False, keep_nulls=False)
        .group_by("utterance_id", "label").len("named")
    )  # fmt: skip
    voters = _voters(cast)
    tally = per_label.join(voters, on="utterance_id")
    enough = pl.col("named") * 2 > pl.col("voters")
    most = pl.col("named") == pl.col("named").max().over("utterance_id")
    kept = tally.filter(pl.when(enough.any().over("utterance_id")).then(enough).otherwise(most))
    kept = kept.with_columns(pl.col("label").cast(_ORDER)).sort("utterance_id", "label")
    bit = 2 ** pl.col("label").to_physical().cast(pl.Int64)
    sets = kept.group_by("utterance_id", maintain_order=True).agg(
        strategies=pl.col("label").cast(pl.String), strategy_mask=bit.sum().cast(pl.UInt8)
    )
    rows = (
        voters.join(sets, on="utterance_id", how="left")
        .join(_spans(cast, kept), on="utterance_id", how="left")
        .join(_stance(votes), on="utterance_id", how="left")
        .with_columns(
            pl.col("strategies").fill_null([]),
            pl.col("strategy_mask").fill_null(0),
            pl.col("spans").fill_null([]),
            label_source=pl.format(
                "stance:{}; strategies:{}", pl.col("stance_by").fill_null("structure"), "by"
            ),
        )
    )
    return rows.join(utterances.select("utterance_id"), on="utterance_id", how="semi").select(
        pl.col(name).cast(dtype) for name, dtype in labels.LABELS.items()
    )


def _spans(cast: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    marked = (
        cast.select("utterance_id", "spans")
        .explode("spans", empty_as_null=False, keep_nulls=False)
        .unnest("spans")
        .group_by("utterance_id", "label", "start", "end").len("marked")
        .with_columns(pl.col("label").cast(_ORDER))
        .join(kept.select("utterance_id", "label", "named"), on=["utterance_id", "label"])
        .filter(pl.col("marked") * 2 >= pl.col("named"))
        .sort("utterance_id", "start", "end", "label")
    )  # fmt: skip
    span = pl.struct(label=pl.col("label").cast(pl.String), start="start", end="end")
    return marked.group_by("utterance_id", maintain_order=True).agg(spans=span)


def _stance(votes: pl.DataFrame) -> pl.DataFrame:
    cast = votes.filter(pl.col("kind") == "stance")
    support = (pl.col("value").list.first() == "support").mean()
    sides = cast.group_by("utterance_id").agg(share=support)
    side = pl.when(pl.col("share") > 0.5).then(1).when(pl.col("share") < 0.5).then(0)
    decided = sides.with_columns(stance=side.cast(pl.UInt8)).drop_nulls("stance")
    by = _voters(cast).select("utterance_id", stance_by="by")
    return decided.select("utterance_id", "stance").join(by, on="utterance_id")


def _voters(cast: pl.DataFrame) -> pl.DataFrame:
    """Per utterance the number of ``voters`` and their name: ``crowd(ann)`` or a majority."""
    sources = pl.col("source").unique().sort().str.join("+")
    many = pl.format("majority({} x{})", sources, pl.len())
    one = pl.format("{}({})", sources, pl.col("annotator").first())
    return cast.group_by("utterance_id").agg(
        voters=pl.len(), by=pl.when(pl.len() > 1).then(many).otherwise(one)
    )
