"""What the build kept and dropped, and its sizes beside the paper's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    utterances = built.read(folder, "utterances")
    dialogues = built.read(folder, "dialogues")
    stages = built.counts(folder)
    digest = "digest of the paper"
    return [
        ("threads read", stages["threads"]["submissions"], PAPER_DIGEST["threads"], digest),
        ("nodes read", stages["threads"]["seen"], PAPER_DIGEST["nodes"], f"{digest}; doubtful"),
        ("topics", dialogues["topic_group"].n_unique(), PAPER_DIGEST["topics"], digest),
        ("dialogues", dialogues.height, PAPER["dialogues"], "paper"),
        ("utterances", utterances.height, PAPER_DIGEST["utterances"], digest),
    ]
