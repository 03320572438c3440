"""What a labeller is. Each is one file in ``annotate.labellers``: ``Settings`` and ``build``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from sad import plugins
from sad.settings import Settings, assign
from sad.types import NO_STRATEGY, Span, Stance, Strategy

PACKAGE = "annotate.labellers"

Kind = Literal["strategies", "stance"]


@dataclass(frozen=True, slots=True)
class Item:
    """A text to label, with what surrounds it."""

    id: str
    text: str
    topic: str = ""
    context: tuple[str, ...] = ()  # the turns before, oldest first


@dataclass(frozen=True, slots=True)
class Label:
    """A set of strategies with its evidence.

    ``scores`` are probabilities, one per strategy in canonical order. The set is empty exactly
    when the text is.
    """

    strategies: Strategy
    scores: tuple[float, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """A stance towards the topic, None where it is unclear; ``support`` is its probability."""

    stance: Stance | None
    support: float


Answer = Label | Side | None
"""What a labeller says of a text; None where it has no usable answer."""


class Labeller(Protocol):
    """Gives every text a set of strategies, or a stance."""

    @property
    def name(self) -> str:
        """Of the annotator in votes; a new version of ``best`` is the same annotator."""

    @property
    def source(self) -> str:
        """One of ``annotate.votes.SOURCES``."""

    @property
    def kind(self) -> Kind:
        """What it answers."""

    @property
    def model(self) -> str | None:
        """Of votes: which model answered, None where there is none."""

    @property
    def prompt_digest(self) -> str | None:
        """Of votes: which prompt was asked, None where there is none."""

    @property
    def alone(self) -> bool:
        """Whether one of it keeps the machine, or a server, busy."""

    def label(self, items: Sequence[Item]) -> Iterator[Answer]:
        """One answer per item, in order: ``Label`` for strategies, ``Side`` for a stance."""


def load(name: str, assignments: Iterable[str] = ()) -> Labeller:
    """The labeller ``name`` with ``assignments`` (``a=3``) over its default settings.

    Raises:
        SettingsError: there is no such labeller, or a setting does not validate.
    """
    module = plugins.load(PACKAGE, name)
    settings: Settings = module.Settings.parse(assign({}, assignments), where=f"labeller {name}")
    return cast(Labeller, module.build(settings))


def joined(
    item: Item,
    sentences: Iterable[tuple[int, int]],
    sets: Iterable[Strategy],
    scores: tuple[float, ...],
) -> Label:
    """The label of ``item``: the union of the sets of its sentences, each of them evidence.

    A text without sentences (nothing but symbols) is a Statement, a blank one has no label.

    Args:
        item: the text.
        sentences: where each begins and ends.
        sets: the strategies of each.
        scores: of the whole text.
    """
    spans = tuple(
        Span(strategy, start, end)
        for (start, end), found in zip(sentences, sets, strict=True)
        for strategy in found
    )
    whole = NO_STRATEGY
    for span in spans:
        whole |= span.label
    if whole:
        return Label(whole, scores, spans)
    if not item.text.strip():
        return Label(NO_STRATEGY, (0.0,) * len(Strategy), ())
    rest = Strategy.STATEMENT
    return Label(rest, scores, (Span(rest, 0, len(item.text)),))
