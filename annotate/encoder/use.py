"""Labelling with a trained encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annotate import sentences
from annotate.encoder import decide, fit, net
from annotate.encoder.rows import around
from annotate.labeller import Item, Kind, Label, Side, joined
from sad.errors import ModelError
from sad.files import sha256
from sad.types import STRATEGY_LABELS, Stance, Strategy

Array = NDArray[np.float64]

_LABELS = {"strategies": STRATEGY_LABELS, "stance": ("support",)}
_DIGITS = 4
"""Of a probability: what lies below changes with how many texts are computed at once."""


class Trained:
    """An encoder with its decisions."""

    def __init__(self, folder: Path, batch_size: int) -> None:
        self._encoder = net.load(folder)
        self.kind, self.decision = _decisions(self._encoder, folder / net.RECORD)
        parts = [sha256(folder / name) for name in (net.WEIGHTS, net.RECORD)]
        # Brain floats move scores by a hundredth: other machines are another model.
        parts.append(str(self._encoder.net.dtype()))
        self.digest = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
        self._batch_size = batch_size

    def label(self, items: Sequence[Item]) -> Iterator[Label | Side]:
        """One answer per item, in order."""
        return self._strategies(items) if self.kind == "strategies" else self._stances(items)

    def chances(self, texts: Sequence[tuple[str, str]]) -> Array:
        """P(label) of each (text, around): [N, L]."""
        if not texts:
            return np.zeros((0, len(self.decision.thresholds)))
        logits = fit.run(self._encoder, texts, self._encoder.net, size=self._batch_size)
        found = decide.probabilities(logits.astype(np.float64), self.decision.temperatures)
        return np.asarray(found.round(_DIGITS))

    def _strategies(self, items: Sequence[Item]) -> Iterator[Label]:
        places = list(sentences.split([item.text for item in items]))
        chances = self.chances([pair for item, at in zip(items, places, strict=True)
                                for pair in sentences_of(item, at)])  # fmt: skip
        begin = 0
        for item, at in zip(items, places, strict=True):
            own = chances[begin : begin + len(at)]
            begin += len(at)
            yield joined(item, at, decided(own, self.decision), whole(own))

    def _stances(self, items: Sequence[Item]) -> Iterator[Side]:
        asked = [bool(item.text.strip() and item.topic.strip()) for item in items]
        pairs = [(item.text, item.topic) for item in compress(items, asked)]
        supports = iter(self.chances(pairs)[:, 0])
        for known in asked:
            support = float(next(supports)) if known else 0.5
            side = Stance.SUPPORT if support >= self.decision.thresholds[0] else Stance.OPPOSE
            yield Side(side if known else None, support)


def _decisions(encoder: net.Encoder, path: Path) -> tuple[Kind, decide.Decision]:
    """What the encoder answers, and how it decides, as its record at ``path`` says."""
    try:
        kind: Kind = encoder.record["kind"]
        temperatures, thresholds = (
            tuple(map(float, encoder.record[name])) for name in ("temperatures", "thresholds")
        )
        labels = _LABELS[kind]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} does not say how to decide ({error!r})") from None
    n = len(labels)
    if (tuple(encoder.shape.labels), len(temperatures), len(thresholds)) != (labels, n, n):
        raise ModelError(f"{path}: a temperature and a threshold are needed of each of {labels}")
    return kind, decide.Decision(temperatures, thresholds)


def sentences_of(item: Item, places: Sequence[tuple[int, int]]) -> Iterator[tuple[str, str]]:
    """The sentences of ``item`` as the encoder wants them: the sentence, what is around it."""
    before = ""
    for start, end in places:
        text = item.text[start:end]
        yield text, around(item.topic, before)
        before = text


def named(chances: Array, decision: decide.Decision) -> NDArray[np.bool_]:
    """Which labels are named of each sentence, or which texts support: as ``chances``, [N, L]."""
    if chances.shape[1] == 1:
        return np.asarray(chances >= decision.thresholds)
    return np.array([[s in found for s in Strategy] for found in decided(chances, decision)])


def decided(chances: Array, decision: decide.Decision) -> list[Strategy]:
    """The strategies of each sentence from its chances [N, L]: a sentence has at least one.

    Where nothing reaches its threshold it is a Statement, and only there.
    """
    sets = []
    for row in chances:
        found = Strategy(0)
        for strategy, chance, least in zip(Strategy, row, decision.thresholds, strict=True):
            if chance >= least and strategy is not Strategy.STATEMENT:
                found |= strategy
        sets.append(found or Strategy.STATEMENT)
    return sets


def whole(chances: Array) -> tuple[float, ...]:
    """P(label) of a text from those of its sentences [N, L]: that at least one bears it."""
    if not len(chances):
        return (0.0, 0.0, 0.0, 0.0, 1.0)
    return tuple(float(p) for p in (1 - (1 - chances).prod(axis=0)).round(_DIGITS))
