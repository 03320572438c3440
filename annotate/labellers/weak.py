"""A label model over other labellers: each counts as much as it was right on our own text.

Per strategy the votes are combined as if they were independent given the truth (Dawid and Skene's
model with rates that were measured, not guessed): ``annotate/weak.json``, made by
``python -m annotate.calibration cues best > annotate/weak.json``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from pathlib import Path

from pydantic import Field

from annotate.asking import digest
from annotate.labeller import Answer, Item, Kind, Label, Labeller, load
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
        names = settings.labellers
        if len(set(names)) < len(names):
            raise SettingsError(f"labeller weak: name each labeller once, not {names}")
        self._prior, self._weights = _read(path, names)
        self._others = [load(name) for name in names]
        if other := [name for name, by in zip(names, self._others, strict=True)
                     if by.kind != self.kind]:  # fmt: skip
            raise SettingsError(f"labeller weak: {other[0]} gives no strategies")
        self.name = f"weak-{'-'.join(settings.labellers)}"
        models = [[other.model, other.prompt_digest] for other in self._others]
        self.model = digest([sha256(path), *models])[:16]

    def label(self, items: Sequence[Item]) -> Iterator[Answer]:
        """One label per item, in order."""
        for item, *given in zip(
            items, *(other.label(items) for other in self._others), strict=True
        ):
            blank = Label(NO_STRATEGY, (0.0,) * len(Strategy), ())
            yield self._combined(given) if item.text.strip() else blank

    def _combined(self, given: Sequence[Answer]) -> Label | None:
        """The likely strategies; who has no answer says nothing."""
        odds = list(self._prior)
        labels = [label for label in given if isinstance(label, Label)]
        if not labels:
            return None
        for label, weights in zip(given, self._weights, strict=True):
            for place, strategy in enumerate(Strategy):
                if not isinstance(label, Label):
                    continue
                named, silent = weights[place]
                odds[place] += named if strategy in label.strategies else silent
        likely = [s for s, x in zip(Strategy, odds, strict=True) if x > 0]
        most = max(odds)
        found = reduce(or_, likely or [s for s, x in zip(Strategy, odds, strict=True) if x == most])
        spans = dict.fromkeys(
            span for label in labels for span in label.spans if span.label in found
        )
        return Label(found or NO_STRATEGY, tuple(round(_sigmoid(x), 4) for x in odds), tuple(spans))


def _read(path: Path, names: Sequence[str]) -> tuple[list[float], list[list[tuple[float, float]]]]:
    """The log-odds of each strategy, and per labeller and strategy what its votes add."""
    rates = read_json(path)
    try:
        if lacking := [name for name in names if name not in rates["labellers"]]:
            raise SettingsError(
                f"labeller weak: {path} has no rates of {lacking[0]}; "
                f"make them with python -m annotate.calibration {' '.join(names)} > FILE, "
                "and give --set rates=FILE"
            )
        prior = [_logit(rates["prior"][s.label]) for s in Strategy]
        own = [rates["labellers"][name] for name in names]
        return prior, [[_weights(*each[s.label]) for s in Strategy] for each in own]
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise DataError(path, f"is not a file of rates between 0 and 1 ({error!r})") from None


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
