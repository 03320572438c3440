"""The card of a built folder: its README.md, whose head tells ``datasets`` what to load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import yaml

from sad.build.split import SPLITS
from sad.files import write_text

_BODY = """\
# {name}

Built by sad-dialogue with the rule set `{rules}`.

| table | rows | what a row is |
| --- | --- | --- |
{rows}

`load_dataset(DIR)` gives `{default}`; `load_dataset(DIR, "utterances")` names another table.
Stance: 1 supports the topic, 0 opposes it. Strategies are a set out of Question, Causality,
Example, Analogy, Statement; `strategy_mask` is the same set as bits 1, 2, 4, 8, 16. Spans are code
points, end exclusive. `label_source` says where the labels of an utterance come from,
`stance_confidence` how sure the rule of a stance is. The first n dialogues of a split by `rank` are
its fixed subset of n. Speakers are keyed hashes. Nothing here may be redistributed with the text of
Reddit users: see DATASHEET.md of the project.
"""

_ROWS = {
    "examples": "topic, history, requested stance and strategies, target",
    "dialogues": "one root-to-leaf path: utterance ids, oldest first",
    "utterances": "one post or comment, its text stored once, its labels",
    "pairs": "a comment that earned a delta of the post's author, and a like one that did not",
}


def write_card(folder: Path, *, labelled: bool) -> None:
    """Write README.md of the built ``folder``; if it is ``labelled``, examples are the default."""
    rows = {table: _rows(folder, table) for table in _ROWS if table != "examples" or labelled}
    if not any(rows["pairs"].values()):
        del rows["pairs"]  # ``datasets`` refuses a table without rows
    default = next(iter(rows))
    head: dict[str, Any] = {
        "pretty_name": "Strategic Argumentative Dialogue",
        "language": ["en"],
        "task_categories": ["text-generation", "text-classification"],
        "configs": [_config(table, rows[table], default=table == default) for table in rows],
    }
    counts = {table: sum(rows[table].values()) for table in rows}
    body = _BODY.format(
        name="SAD, a local build",
        rules=yaml.safe_load((folder / ".run" / "settings.yaml").read_text())["rules"],
        rows="\n".join(f"| `{t}` | {counts[t]:,} | {_ROWS[t]} |" for t in rows),
        default=default,
    )
    text = f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n{body}"
    write_text(folder / "README.md", text)


def _config(table: str, rows: dict[str, int], *, default: bool) -> dict[str, Any]:
    # ``datasets`` refuses a split without rows, so those are not named.
    filled = [split for split, n in rows.items() if n] or ["train"]
    files = [{"split": split, "path": f"{table}/{split}-*.parquet"} for split in filled]
    config: dict[str, Any] = {"config_name": table, "data_files": files}
    return {**config, "default": True} if default else config


def _rows(folder: Path, table: str) -> dict[str, int]:
    """Rows of ``table`` per split."""
    splits = ("train",) if table == "utterances" else SPLITS
    found = {}
    for split in splits:
        paths = sorted((folder / table).glob(f"{split}-*.parquet"))
        found[split] = pl.scan_parquet(paths, glob=False).select(pl.len()).collect().item()
    return found
