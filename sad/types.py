"""What flows through the project: threads, utterances, dialogues, examples and their labels.

Only the standard library is imported here, so that ``import sad`` stays light.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Flag, IntEnum

__all__ = [
    "Comment",
    "Dialogue",
    "Example",
    "Span",
    "Stance",
    "Strategy",
    "Submission",
    "Thread",
    "Turn",
    "Utterance",
]


class Stance(IntEnum):
    """Stance of an utterance towards the topic (not towards the previous speaker).

    Source: the release's ``attitude`` field, 0 or 1 (specification, section 3.1).
    """

    OPPOSE = 0
    SUPPORT = 1

    @property
    def label(self) -> str:
        """``"oppose"`` or ``"support"``."""
        return self.name.lower()


class Strategy(Flag):
    """A set of argumentative strategies: one member is one label, ``|`` makes a set.

    ``Strategy(0)`` is the empty set. The bit values are the on-disk mask.
    """

    QUESTION = 1
    CAUSALITY = 2
    EXAMPLE = 4
    ANALOGY = 8
    STATEMENT = 16

    @property
    def label(self) -> str:
        """The field's name of a single label: ``"Question"``."""
        return str(self.name).capitalize()

    @property
    def letter(self) -> str:
        """The one-letter code of a single label: ``"Q"``."""
        return str(self.name)[0]

    def labels(self) -> list[str]:
        """The names of the set, in canonical order (Question first, Statement last)."""
        return [member.label for member in Strategy if member in self]

    @classmethod
    def from_labels(cls, labels: Iterable[str]) -> Strategy:
        """The set named by ``labels``; order and case do not matter.

        Raises:
            ValueError: a name is not one of the five.
        """
        mask = cls(0)
        for label in labels:
            try:
                mask |= cls[label.upper()]
            except KeyError:
                known = ", ".join(member.label for member in cls)
                raise ValueError(f"{label!r} is not a strategy; the five are {known}") from None
        return mask


STANCE_LABELS: tuple[str, ...] = tuple(side.label for side in Stance)
"""The names of the stances, by value."""

NO_STRATEGY = Strategy(0)
"""The empty set."""

STRATEGY_LABELS: tuple[str, ...] = tuple(member.label for member in Strategy)
"""The five names in canonical order: axis L of every score matrix."""


@dataclass(frozen=True, slots=True)
class Span:
    """Evidence for one label: code points ``start`` to ``end`` (exclusive) of a text."""

    label: Strategy
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Submission:
    """An original post, in Pushshift's words. Missing scalars are None, never invented."""

    id: str
    title: str
    selftext: str
    author: str | None = None
    created_utc: int | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment; ``parent_id`` carries its ``t1_`` or ``t3_`` prefix, ``link_id`` its ``t3_``."""

    id: str
    link_id: str
    parent_id: str
    body: str
    author: str | None = None
    created_utc: int | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """A submission with all its comments."""

    submission: Submission
    comments: tuple[Comment, ...]


@dataclass(frozen=True, slots=True)
class Utterance:
    """A kept node of a thread with its labels; ``stance`` and ``strategies`` may be unset."""

    utterance_id: str
    thread_id: str
    parent_id: str | None
    depth: int
    speaker: str | None
    text: str
    is_op: bool
    stance: Stance | None = None
    strategies: Strategy = NO_STRATEGY
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One root-to-leaf path: utterance ids, oldest first."""

    dialogue_id: str
    thread_id: str
    topic: str
    utterance_ids: tuple[str, ...]
    split: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of an example's history."""

    stance: Stance
    text: str
    strategies: Strategy


@dataclass(frozen=True, slots=True)
class Example:
    """What a model sees: topic, history, the stance and strategies asked for, and the target."""

    dialogue_id: str
    topic: str
    history: tuple[Turn, ...]
    target_stance: Stance
    target_strategies: Strategy
    target: str
