"""A labelled build as chat JSONL: one dialogue per line, the target as the last message.

Turns of the target's side speak as ``assistant``, the others as ``user``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sad.build import folder as built
from sad.build.split import SPLITS
from sad.constants import STRATEGY_DEFINITIONS
from sad.errors import DataError
from sad.files import atomic_folder, write_text
from sad.types import STANCE_LABELS

OPENING = "What do you think?"
"""Said by the user where the assistant's side spoke first: chat templates begin with a user."""

ONWARD = "Go on."
"""Said by the user where the target's side spoke last, so that its words are not in the target."""


def run(source: Path, out: Path) -> dict[str, int]:
    """Write ``out/SPLIT.jsonl`` for every split of the labelled build ``source``; rows written.

    A row holds ``dialogue_id``, ``thread_id`` and ``messages``: a system message with the topic,
    the stance and the strategies to use, then user and assistant in turn. ``OPENING`` and
    ``ONWARD`` stand in where the user said nothing.

    Raises:
        DataError: ``source`` is not a finished build, or has no labels.
        SettingsError: ``out`` is not an empty folder.
    """
    built.require_built(source)
    if not built.is_labelled(source):
        raise DataError(
            source, "has no labels yet; run: sad annotate label, sad annotate aggregate"
        )
    sizes = {}
    with atomic_folder(out) as temporary:
        for split in SPLITS:
            threads = built.read(source, "dialogues", split).select("dialogue_id", "thread_id")
            rows = built.read(source, "examples", split).join(
                threads, on="dialogue_id", how="left", maintain_order="left"
            )
            lines = [
                json.dumps(_row(r), ensure_ascii=False) + "\n" for r in rows.iter_rows(named=True)
            ]
            write_text(temporary / f"{split}.jsonl", "".join(lines))
            sizes[split] = len(lines)
    return sizes


def _row(example: dict[str, Any]) -> dict[str, Any]:
    names = {name: example[name] for name in ("dialogue_id", "thread_id")}
    return names | {"messages": messages(example)}


def messages(example: dict[str, Any]) -> list[dict[str, str]]:
    """The messages of a row of the table ``examples``."""
    side = example["target_stance"]
    said: list[dict[str, str]] = []
    for turn in example["history"]:
        role = "assistant" if turn["stance"] == side else "user"
        if said and said[-1]["role"] == role:
            said[-1]["content"] += f"\n\n{turn['text']}"
        else:
            said.append({"role": role, "content": turn["text"]})
    if not said or said[0]["role"] == "assistant":
        said.insert(0, {"role": "user", "content": OPENING})
    if said[-1]["role"] == "assistant":
        said.append({"role": "user", "content": ONWARD})
    system = {"role": "system", "content": _system(example)}
    return [system, *said, {"role": "assistant", "content": example["target"]}]


def _system(example: dict[str, Any]) -> str:
    names = example["target_strategies"]
    lines = [f"- {name}: {STRATEGY_DEFINITIONS[name]}" for name in names]
    return "\n".join(
        [
            f"Topic: {example['topic']}",
            f"Your stance: {STANCE_LABELS[example['target_stance']]}",
            "Strategies of your next turn:",
            *lines,
        ]
    )
