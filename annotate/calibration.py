"""Probabilities for rules: how often a label is right when its rule fires, and when it does not."""

from __future__ import annotations

from collections.abc import Iterable

from annotate import training
from annotate.labeller import Item, Label, Labeller
from sad.types import NO_STRATEGY, Strategy

BATCHES = ("07",)
"""Training text that no rule was written on (``cues`` saw 01 to 06), so that none is flattered."""


def utterances() -> list[tuple[Item, Strategy]]:
    """The utterances of ``BATCHES`` with their labels, without what is held out for evaluation."""
    sentences = [
        sentence
        for sentence in training.load()
        if sentence.batch in BATCHES and training.held_out(sentence) is None
    ]
    found = []
    for utterance in training.utterances(sentences):
        labels = NO_STRATEGY
        for sentence in utterance:
            labels |= sentence.strategies
        text = " ".join(sentence.text for sentence in utterance)
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
