"""Joining labels to a built folder, and the examples that follow from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from sad.build import folder as built
from sad.build.frames import read_parquet, write_parquet
from sad.build.split import SPLITS
from sad.errors import DataError
from sad.files import write_json
from sad.release.card import write_card

_STRUCTURE: dict[str, type[pl.DataType]] = {
    "utterance_id": pl.String,
    "stance": pl.UInt8,
    "stance_confidence": pl.Float64,
    "stance_source": pl.String,  # such as stance:structure
}

LABELS: dict[str, Any] = {
    "utterance_id": pl.String,
    "stance": pl.UInt8,  # null: keep the one of the build
    "strategies": pl.List(pl.String),
    "strategy_mask": pl.UInt8,
    "spans": built.SPANS,
    "label_source": pl.String,
}


def apply(folder: Path, labels: pl.DataFrame, record: dict[str, Any]) -> int:
    """Write ``labels`` into the utterances of ``folder``, then its examples and card.

    Returns the number of examples. Labels of utterances that the folder lacks are left aside (a
    build may have dropped them). ``record`` says where the labels come from; it is written last,
    to ``.run/labels.json``, so its presence means that the labels are complete.

    Raises:
        DataError: an utterance of the folder has no label.
    """
    with built.locked(folder):
        files = built.files(folder, "utterances")
        new = labels.select(list(LABELS)).rename({"stance": "voted"})
        _require_all(folder, files, new)
        # Until the record is there again, the folder counts as unlabelled.
        (folder / ".run" / built.LABELS_RECORD).unlink(missing_ok=True)
        write_card(folder, labelled=False)
        n = 0
        for number, path in enumerate(files):
            utterances = _labelled(folder, number, built.read_file(path, "utterances"), new)
            write_parquet(utterances, path)
            n += sum(_write_examples(folder, s, number, len(files), utterances) for s in SPLITS)
        write_card(folder, labelled=True)
        write_json(folder / ".run" / built.LABELS_RECORD, record)
        built.note(folder, f"labelled {n} examples: {record}")
    return n


def _require_all(folder: Path, files: list[Path], new: pl.DataFrame) -> None:
    known = new.filter(pl.col("strategies").is_not_null()).select("utterance_id")
    ids = pl.concat(built.read_file(path, "utterances").select("utterance_id") for path in files)
    missing = ids.join(known, on="utterance_id", how="anti", maintain_order="left")
    if missing.height:
        message = f"{missing.height} utterances have no label, the first is {missing.item(0, 0)}"
        raise DataError(folder, f"{message}; label the whole folder")


def _labelled(
    folder: Path, number: int, utterances: pl.DataFrame, new: pl.DataFrame
) -> pl.DataFrame:
    # Stances start again from the build's: those in the table may be of earlier votes.
    structure = read_parquet(built.record(folder, built.STRUCTURE, number), _STRUCTURE)
    bare = utterances.drop(
        "stance", "stance_confidence", "strategies", "strategy_mask", "spans", "label_source"
    )
    joined = bare.join(structure, on="utterance_id", how="left", maintain_order="left")
    joined = joined.join(new, on="utterance_id", how="left", maintain_order="left")
    # The confidence is the build's: of a stance that votes decided, the votes tell it.
    confidence = pl.when(pl.col("voted").is_null()).then("stance_confidence")
    source = pl.col("label_source").str.replace(r"^stance:structure\b", pl.col("stance_source"))
    joined = joined.with_columns(
        stance=pl.coalesce("voted", "stance"),
        stance_confidence=confidence,
        label_source=pl.when(pl.col("voted").is_null()).then(source).otherwise("label_source"),
    )
    return joined.select(list(built.UTTERANCES))


def _write_examples(
    folder: Path, split: str, number: int, of: int, utterances: pl.DataFrame
) -> int:
    path = built.shard(folder, "dialogues", split, number, of)
    dialogues = built.read_file(path, "dialogues")
    turn = pl.struct(stance=pl.col("stance"), text=pl.col("text"), strategies=pl.col("strategies"))
    turns = (
        dialogues.select("dialogue_id", "topic", utterance_id="utterance_ids")
        .explode("utterance_id")
        .join(
            utterances.select("utterance_id", turn=turn),
            on="utterance_id",
            how="left",
            maintain_order="left",
        )
        .group_by("dialogue_id", "topic", maintain_order=True)
        .agg("turn")
    )
    target = pl.col("turn").list.last().struct
    examples = turns.select(
        "dialogue_id",
        "topic",
        history=pl.col("turn").list.head(pl.col("turn").list.len() - 1),
        target_stance=target.field("stance"),
        target_strategies=target.field("strategies"),
        target=target.field("text"),
    )
    path = built.shard(folder, "examples", split, number, of)
    write_parquet(examples.match_to_schema(built.EXAMPLES), path)
    return examples.height
