"""A label model over other labellers: each counts as much as it was right on our own text.

Per strategy the votes are combined as if they were independent given the truth (Dawid and Skene's
model with rates that were measured, not guessed): ``annotate/weak.json``, made by
``python -m annotate.calibration``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from pathlib import Path

from pydantic import Field

from annotate.labeller import Item, Kind, Label, Labeller, load
from sad.errors import DataError, SettingsError
from sad.files import read_json, sha256
from sad.settings import Settings as BaseSettings
from sad.types import NO_STRATEGY, Strategy

RATES = Path(__file__).parents[1] / "weak.json"


class Settings(BaseSettings):
    """Settings of ``weak``."""

    labellers: list[str] = Field(
        ["cues", "best"], min_length=2, description="Whose votes are combined. Source: ours"
    )
    rates: str = Field(
        "", description="Their rates, of 'python -m annotate.calibration'. Source: ours"
    )


class Weak:
    """The labeller ``weak``."""

    source = "model"
    kind: Kind = "strategies"
    prompt_digest = None
    alone = False

    def __init__(self, settings: Settings) -> None:
        path = Path(settings.rates) if settings.rates else RATES
        rates = read_json(path)
        if lacking := [name for name in settings.labellers if name not in rates["labellers"]]:
            raise SettingsError(
                f"labeller weak: {path} has no rates of {lacking[0]}; "
                f"python -m annotate.calibration {' '.join(settings.labellers)} writes them"
            )
        try:
            self._prior = [_logit(rates["prior"][s.label]) for s in Strategy]
            self._weights = [
                [_weights(*rates["labellers"][name][s.label]) for s in Strategy]
                for name in settings.labellers
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(path, f"is not a file of rates ({error!r})") from None
        self._others = [load(name) for name in settings.labellers]
        self.name = f"weak-{'-'.join(settings.labellers)}"
        self.model = sha256(path)[:16]

    def label(self, items: Sequence[Item]) -> Iterator[Label]:
        """One label per item, in order."""
        for item, *given in zip(
            items, *(other.label(items) for other in self._others), strict=True
        ):
            labels = [label for label in given if isinstance(label, Label)]
            yield self._combined(labels) if item.text.strip() else labels[0]

    def _combined(self, labels: Sequence[Label]) -> Label:
        odds = list(self._prior)
        for label, weights in zip(labels, self._weights, strict=True):
            for place, strategy in enumerate(Strategy):
                named, silent = weights[place]
                odds[place] += named if strategy in label.strategies else silent
        likely = [s for s, x in zip(Strategy, odds, strict=True) if x > 0]
        most = max(odds)
        found = reduce(or_, likely or [s for s, x in zip(Strategy, odds, strict=True) if x == most])
        spans = dict.fromkeys(
            span for label in labels for span in label.spans if span.label in found
        )
        return Label(found or NO_STRATEGY, tuple(round(_sigmoid(x), 4) for x in odds), tuple(spans))


def _weights(sensitivity: float, specificity: float) -> tuple[float, float]:
    """What a vote adds to the log-odds of a label: if it names the label, if it does not."""
    return (
        math.log(sensitivity / (1 - specificity)),
        math.log((1 - sensitivity) / specificity),
    )


def _logit(chance: float) -> float:
    return math.log(chance / (1 - chance))


def _sigmoid(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


def build(settings: Settings) -> Labeller:
    """The labeller with ``settings``.

    Raises:
        SettingsError: the rates of a labeller are not known.
    """
    return Weak(settings)
