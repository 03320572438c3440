"""How often labellers are right, measured on text of ours that none of them was made on.

``python -m annotate.calibration cues best > annotate/weak.json`` makes the rates that the labeller
``weak`` takes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from annotate import training
from annotate.labeller import Item, Labeller, Side, load
from sad.errors import ModelError, SettingsError
from sad.types import Strategy

BATCHES = ("17", "34")
"""Text at natural rates that no rule was written on and no network was fitted to.

The thresholds of ``best`` were set on these and another batch, which flatters ``best`` a little.
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
        SettingsError: the labeller answers with stances.
        ModelError: it has no answer to a text.
    """
    pairs = list(gold)
    counts = {strategy: [[1, 2], [1, 2]] for strategy in Strategy}  # [right, all] if fired, if not
    found = _sets(labeller, [item for item, _ in pairs])
    for (_, truth), said in zip(pairs, found, strict=True):
        for strategy, pair in counts.items():
            cell = pair[0 if strategy in said else 1]
            cell[0] += strategy in truth
            cell[1] += 1
    return {s: (fired[0] / fired[1], not_[0] / not_[1]) for s, (fired, not_) in counts.items()}


def rates(labellers: Iterable[str]) -> dict[str, Any]:
    """Sensitivity and specificity of each labeller per strategy, and the share of each strategy.

    One is added to each count, and it raises, as in ``measured``.
    """
    pairs = utterances()
    truths = [truth for _, truth in pairs]
    told = {}
    for name in labellers:
        named = _sets(load(name), [item for item, _ in pairs])
        told[name] = {s.label: _pair(s, named, truths) for s in Strategy}
    shares = {s.label: _share([s in truth for truth in truths]) for s in Strategy}
    return {"n": len(pairs), "batches": list(BATCHES), "prior": shares, "labellers": told}


def _sets(labeller: Labeller, items: Sequence[Item]) -> list[Strategy]:
    """The strategies that ``labeller`` names of each item."""
    sets = []
    for item, answer in zip(items, labeller.label(items), strict=True):
        if isinstance(answer, Side):
            raise SettingsError(f"{labeller.name} answers with stances, which have no strategies")
        if answer is None:
            raise ModelError(
                f"{labeller.name} has no answer to {item.id}; measure one that answers every text"
            )
        sets.append(answer.strategies)
    return sets


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
