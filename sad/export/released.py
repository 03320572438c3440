"""A build in the form of the authors' release: sent.json and argument.json.

Records carry keys of ours beside ``topic``, ``context`` and ``attitude``, which other readers leave
alone: ``thread_id``, ``delta`` and ``delta_by``, and of a labelled build ``strategies``; all but
the first are aligned with ``context``.
"""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from sad.build import folder as built
from sad.errors import DataError
from sad.files import atomic_folder, write_text
from sad.importers.released import RECORDS, TEXTS


def run(source: Path, out: Path) -> dict[str, int]:
    """Write the two files of the build ``source`` into the folder ``out``; rows written.

    Raises:
        DataError: ``source`` is not a finished build; a thread folder has no dialogues yet.
        SettingsError: ``out`` is not an empty folder.
    """
    if not (source / ".run").is_dir():
        raise DataError(source, "is not a build; make one with 'sad build --threads'")
    utterances = built.read(source, "utterances").sort("utterance_id")
    turns = _turns(built.read(source, "dialogues"), utterances)
    texts = dict(utterances.select("utterance_id", "text").iter_rows())
    if not built.is_labelled(source):
        turns = turns.drop("strategies")
    records = list(turns.iter_rows(named=True))
    with atomic_folder(out) as temporary:
        _write(temporary / TEXTS, texts)
        _write(temporary / RECORDS, records)
    return {"texts": len(texts), "dialogues": len(records)}


def _turns(dialogues: pl.DataFrame, utterances: pl.DataFrame) -> pl.DataFrame:
    labels = utterances.select("utterance_id", "delta", "delta_by", "strategies", attitude="stance")
    rows = dialogues.sort("dialogue_id").select("thread_id", "topic", utterance_id="utterance_ids")
    rows = rows.with_row_index("dialogue").explode("utterance_id")
    rows = rows.join(labels, on="utterance_id", how="left", maintain_order="left")
    lists = rows.group_by("dialogue", maintain_order=True).agg(
        pl.col("topic", "thread_id").first(),
        pl.col("utterance_id").alias("context"),
        "attitude",
        "delta",
        "delta_by",
        "strategies",
    )
    return lists.drop("dialogue")


def _write(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, indent=0) + "\n")
