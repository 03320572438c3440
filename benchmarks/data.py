"""The documents of the tasks, from a built and labelled folder.

Each loader is a ``custom_dataset`` of lm-eval: it takes the task's metadata as keywords, of which
``data`` (a labelled folder; default: the labelled sample) and ``split`` count, and returns a
``DatasetDict`` with the one split ``test``.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from sad.build import folder as built
from sad.build.split import SPLITS
from sad.errors import DataError, SettingsError

if TYPE_CHECKING:
    from datasets import DatasetDict

log = logging.getLogger(__name__)

Docs = list[dict[str, Any]]


def dialogues(data: str | None = None, split: str = "auto", **_: Any) -> DatasetDict:
    """One document per dialogue: the last turn is to be written, the others are its history."""
    return _dataset(dialogue_docs, data, split)


def utterances(data: str | None = None, split: str = "auto", **_: Any) -> DatasetDict:
    """One document per distinct utterance of the split's dialogues, with the one it answers."""
    return _dataset(utterance_docs, data, split)


def replies(data: str | None = None, split: str = "auto", **_: Any) -> DatasetDict:
    """As ``utterances``, without the posts, whose stance is known from their place."""
    return _dataset(lambda *a: [d for d in utterance_docs(*a) if d["context"]], data, split)


def _dataset(docs: Callable[[Path, str], Docs], data: str | None, split: str) -> DatasetDict:
    import datasets

    folder = labelled_folder(data)
    split = chosen_split(folder, split)
    found = docs(folder, split)
    if not found:
        raise DataError(folder, f"has no document for this task in split {split!r}")
    return datasets.DatasetDict({"test": datasets.Dataset.from_list(found)})


def labelled_folder(data: str | None) -> Path:
    """The folder at ``data``, or the labelled sample.

    Raises:
        DataError: the folder is no finished build or has no labels.
    """
    if data is None:
        from sad.sample import labelled_folder as sample_folder

        return sample_folder()
    folder = Path(data)
    built.require_built(folder)
    if not built.is_labelled(folder):
        message = "has no labels yet; run: sad annotate label DIR"
        raise DataError(folder, f"{message}, then sad annotate aggregate DIR")
    return folder


def chosen_split(folder: Path, split: str) -> str:
    """``split``, or for ``auto`` the test split, or where that is empty the largest one.

    A folder of few topics may have nothing in its test split; which split was scored is part of
    every document and of every report.

    Raises:
        SettingsError: there is no such split.
        DataError: the split is empty.
    """
    if split not in (*SPLITS, "auto"):
        raise SettingsError(f"no split {split!r}; there are: auto, {', '.join(SPLITS)}")
    sizes = {name: built.read(folder, "dialogues", name).height for name in SPLITS}
    if split == "auto":
        split = "test" if sizes["test"] else max(SPLITS, key=lambda name: sizes[name])
        if split != "test":
            log.warning("%s: its test split is empty, so %s is scored", folder, split)
    if not sizes[split]:
        raise DataError(folder, f"has no dialogue in split {split!r}")
    return split


def dialogue_docs(folder: Path, split: str) -> Docs:
    """The documents of ``dialogues`` by rank: the first n are the fixed subset of n."""
    last = pl.col("utterance_ids").list.last()
    dialogues = built.read(folder, "dialogues", split)
    sources = built.read(folder, "utterances").select("utterance_id", "label_source")
    known = dialogues.select("dialogue_id", "thread_id", "rank", utterance_id=last)
    known = known.join(sources, on="utterance_id").drop("utterance_id")
    rows = built.read(folder, "examples", split).join(known, on="dialogue_id")
    rows = rows.with_columns(split=pl.lit(split)).rename({"dialogue_id": "id"})
    return rows.sort("rank").drop("rank").to_dicts()


def utterance_docs(folder: Path, split: str) -> Docs:
    """The documents of ``utterances``, in an order that mixes threads."""
    chosen = built.read(folder, "dialogues", split)
    ids = chosen.select(utterance_id=pl.col("utterance_ids").explode().unique())
    topics = chosen.select("thread_id", "topic").unique()
    table = built.read(folder, "utterances")
    rows = (
        table.join(ids, on="utterance_id", how="semi")
        .join(topics, on="thread_id", how="left")
        .join(
            table.select("utterance_id", context="text"),
            left_on="parent_id",
            right_on="utterance_id",
            how="left",
        )
        .select(
            "thread_id", "topic", "context", "text", "stance", "strategies", "label_source",
            id="utterance_id", split=pl.lit(split),
        )
    )  # fmt: skip
    return _mixed(rows)


def _mixed(rows: pl.DataFrame) -> Docs:
    """The rows in the order of a hash of their id, so that the first n are of many threads."""
    return sorted(
        rows.iter_rows(named=True), key=lambda doc: hashlib.sha1(doc["id"].encode()).digest()
    )
