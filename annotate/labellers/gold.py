"""The labels of a gold set, cast as votes: for checks, demonstrations and comparisons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import Field

from annotate import gold
from annotate.labeller import Item, Kind, Label, Labeller, Side
from sad.errors import LabelError
from sad.settings import Settings as BaseSettings
from sad.types import NO_STRATEGY, Span, Stance, Strategy


class Settings(BaseSettings):
    """Settings of ``gold``."""

    gold: str = Field(
        "sample", description="A gold set: sample, own-topics, own-batches or a JSONL file. "
        "Source: ours",
    )  # fmt: skip
    kind: Kind = Field("strategies", description="strategies or stance. Source: ours")


class GoldLabels:
    """The labeller ``gold``: it knows texts by their ids, and blank ones."""

    source = "gold"
    prompt_digest = None
    alone = True

    def __init__(self, settings: Settings) -> None:
        known = gold.load(settings.gold)
        self.kind: Kind = settings.kind
        self.name = f"gold-{known.name}" + ("-stance" if settings.kind == "stance" else "")
        self.model = known.digest[:16]
        self._where = settings.gold
        table = known.strategies if settings.kind == "strategies" else known.stance[:, None]
        whole = [not np.isnan(row).any() for row in table]
        rows = zip(known.items, table, whole, strict=True)
        self._rows = {item.id: (item.text, row) for item, row, every in rows if every}

    def label(self, items: Sequence[Item]) -> Iterator[Label | Side]:
        """One answer per item, in order.

        Raises:
            LabelError: a text is not in the gold set, not wholly annotated, or another one.
        """
        for item in items:
            if not item.text.strip() and self.kind == "strategies":
                yield Label(NO_STRATEGY, (0.0,) * len(Strategy), ())
                continue
            text, row = self._rows.get(item.id, (None, None))
            if row is None or text != item.text:
                why = "is not wholly annotated there" if row is None else "has another text there"
                raise LabelError(self._where, why, field=item.id)
            yield self._answer(item, [bool(value) for value in row])

    def _answer(self, item: Item, row: list[bool]) -> Label | Side:
        if self.kind == "stance":
            return Side(Stance(row[0]), float(row[0]))
        found = NO_STRATEGY
        for strategy, named in zip(Strategy, row, strict=True):
            found |= strategy if named else NO_STRATEGY
        spans = tuple(Span(strategy, 0, len(item.text)) for strategy in found)
        return Label(found, tuple(float(named) for named in row), spans)


def build(settings: Settings) -> Labeller:
    """The labeller with ``settings``.

    Raises:
        DataError: there is no such gold set.
    """
    return GoldLabels(settings)
