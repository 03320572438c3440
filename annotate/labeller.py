"""What a labeller is. Each is one file in ``annotate.labellers``: ``Settings`` and ``build``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from sad import plugins
from sad.settings import Settings, assign
from sad.types import Span, Strategy

PACKAGE = "annotate.labellers"


@dataclass(frozen=True, slots=True)
class Item:
    """A text to label, with what surrounds it."""

    id: str
    text: str
    topic: str = ""
    context: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """A label set with its evidence.

    ``scores`` are probabilities, one per strategy in canonical order. The set is empty exactly
    when the text is.
    """

    strategies: Strategy
    scores: tuple[float, ...]
    spans: tuple[Span, ...]


class Labeller(Protocol):
    """Gives every text a set of strategies."""

    name: str
    source: str  # one of annotate.votes.SOURCES

    def label(self, items: Sequence[Item]) -> Iterator[Label]:
        """One label per item, in order."""


def load(name: str, assignments: Iterable[str] = ()) -> Labeller:
    """The labeller ``name`` with ``assignments`` (``a=3``) over its default settings.

    Raises:
        SettingsError: there is no such labeller, or a setting does not validate.
    """
    module = plugins.load(PACKAGE, name)
    settings: Settings = module.Settings.parse(assign({}, assignments), where=f"labeller {name}")
    return cast(Labeller, module.build(settings))
