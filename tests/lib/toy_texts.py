"""Texts whose labels a word decides, for tests of training."""

from __future__ import annotations

import random

from annotate.encoder.rows import Row

WORDS = ["the", "bell", "rings", "at", "noon", "and", "we", "sleep", "in", "town", "by", "night"]
CUES = ("why", "because", "example", "like")  # Question, Causality, Example, Analogy


def toy(n: int, seed: int = 0) -> list[Row]:
    """Texts that bear a label exactly where they hold its cue; without one, a Statement."""
    rng = random.Random(seed)
    rows = []
    for number in range(n):
        words = rng.choices(WORDS, k=rng.randrange(3, 8))
        for cue in rng.sample(CUES, rng.choice((0, 0, 1, 1, 2))):
            words.insert(rng.randrange(len(words) + 1), cue)
        found = [float(cue in words) for cue in CUES]
        targets = (*found, float(not any(found)))
        rows.append(Row(" ".join(words) + ".", "the bell", targets, f"group {number % 20}"))
    return rows
