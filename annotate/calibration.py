"""How often labellers are right, measured on text of ours that none of them was made on.

``python -m annotate.calibration cues best`` writes the rates that the labeller ``weak`` takes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from annotate import training
from annotate.labeller import Item, Label, Labeller, load
from sad.types import Strategy

BATCHES = ("17",)
"""Text at natural rates that no rule was written on and no network was fitted to.

The thresholds of ``best`` were set on it and another batch, which flatters ``best`` a little.
"""


def utterances() -> list[tuple[Item, Strategy]]:
    """The utterances of ``BATCHES`` with their labels, without what is held out for evaluation."""
    sentences = [
        sentence
        for sentence in training.load()
        if sentence.batch in BATCHES and training.held_out(sentence) is None
    ]
    found = []
    for utterance in training.utterances(sentences):
        text, labels = training.whole(utterance)
        found.append((Item(utterance[0].utterance, text, utterance[0].topic), labels))
    return found


def measured(
    labeller: Labeller, gold: Iterable[tuple[Item, Strategy]]
) -> dict[Strategy, tuple[float, float]]:
    """P(label | fired) and P(label | not fired) per strategy, with one added to each count.

    So each is (right + 1) / (all + 2), and one half where nothing was seen.

    Args:
        labeller: whose label sets are compared; its kind is ``strategies``.
        gold: texts with their true labels.

    Raises:
        TypeError: the labeller answers with stances.
    """
    pairs = list(gold)
    counts = {strategy: [[1, 2], [1, 2]] for strategy in Strategy}  # [right, all] if fired, if not
    found = labeller.label([item for item, _ in pairs])
    for (_, truth), label in zip(pairs, found, strict=True):
        if not isinstance(label, Label):
            raise TypeError(f"{labeller.name} answers with stances, which have no strategies")
        for strategy, pair in counts.items():
            cell = pair[0 if strategy in label.strategies else 1]
            cell[0] += strategy in truth
            cell[1] += 1
    return {s: (fired[0] / fired[1], not_[0] / not_[1]) for s, (fired, not_) in counts.items()}


def rates(labellers: Iterable[str]) -> dict[str, Any]:
    """Sensitivity and specificity of each labeller per strategy, and the share of each strategy.

    One is added to each count, as in ``measured``.
    """
    pairs = utterances()
    truths = [truth for _, truth in pairs]
    told = {}
    for name in labellers:
        found = list(load(name).label([item for item, _ in pairs]))
        named = [label.strategies for label in found if isinstance(label, Label)]
        told[name] = {s.label: _pair(s, named, truths) for s in Strategy}
    shares = {s.label: _share([s in truth for truth in truths]) for s in Strategy}
    return {"n": len(pairs), "batches": list(BATCHES), "prior": shares, "labellers": told}


def _pair(
    strategy: Strategy, named: Sequence[Strategy], truths: Sequence[Strategy]
) -> tuple[float, float]:
    """Sensitivity and specificity."""
    both = [
        (strategy in said, strategy in truth) for said, truth in zip(named, truths, strict=True)
    ]
    return (
        _share([said for said, truth in both if truth]),
        _share([not said for said, truth in both if not truth]),
    )


def _share(hits: Sequence[bool]) -> float:
    return round((sum(hits) + 1) / (len(hits) + 2), 4)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(rates(sys.argv[1:] or ["cues", "best"]), indent=1) + "\n")
