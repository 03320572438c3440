"""Simulated annotators of the sample: ``python -m annotate.simulated``.

Five annotators who know the gold and err independently at a known rate, marked ``simulated``. They
exist so that votes, agreement and aggregation can be tried with no people at hand.
"""

from __future__ import annotations

import random
from typing import Any

import polars as pl

from annotate.votes import GUIDELINE_VERSION, VOTES, write
from sad import sample
from sad.types import STANCE_LABELS, Strategy

ANNOTATORS = tuple(f"simulated-{i}" for i in range(1, 6))
STANCE_ERROR = 0.0584
"""On balanced stances this gives Fleiss kappa (1 - 2e)^2 = 0.78, the paper's figure."""
STRATEGY_ERROR = 0.05
"""Per label. Source: ours."""

AGREEMENT = {
    "support": 0.805,
    "Question": 0.793,
    "Causality": 0.784,
    "Example": 0.821,
    "Analogy": 0.806,
    "Statement": 0.658,
}
"""Fleiss' kappa of the five on the sample, per stance and strategy. A test measures again."""


def simulate(gold: list[dict[str, Any]], seed: int) -> pl.DataFrame:
    """Two votes (stance, strategies) of each annotator on each record of ``gold``.

    Every label is flipped with its error rate; a vote that would be empty stays as in the gold.
    """
    rng = random.Random(seed)
    rows = []
    for record in gold:
        truth = Strategy.from_labels(record["strategies"])
        for annotator in ANNOTATORS:
            side = record["stance"] ^ (rng.random() < STANCE_ERROR)
            flips = Strategy(0)
            for strategy in Strategy:
                if rng.random() < STRATEGY_ERROR:
                    flips |= strategy
            voted = (truth ^ flips) or truth
            seen = [s for s in record["spans"] if s["label"] in voted.labels()]
            rows.append(_vote(record["id"], annotator, "stance", [STANCE_LABELS[side]], []))
            rows.append(_vote(record["id"], annotator, "strategies", voted.labels(), seen))
    return pl.DataFrame(rows, schema=VOTES)


def _vote(
    utterance: str, annotator: str, kind: str, value: list[str], spans: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "utterance_id": utterance,
        "annotator": annotator,
        "kind": kind,
        "value": value,
        "spans": spans,
        "source": "simulated",
        "guideline_version": GUIDELINE_VERSION,
    }


def main() -> None:
    """Write ``votes.parquet`` of the sample."""
    write(simulate(sample.gold(), seed=20260107), sample.VOTES)


if __name__ == "__main__":
    main()
