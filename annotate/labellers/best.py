"""The default: an encoder of this package, trained on our own text alone.

Low-rank updates of MiniLM and a head, in ``annotate/best``, made by the command in its card.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from annotate.encoder import trained
from annotate.labeller import Item, Kind, Label, Labeller, Side
from sad.settings import Settings as BaseSettings

FOLDER = Path(__file__).parents[1] / "best"


class Settings(BaseSettings):
    """Settings of ``best``."""

    batch_size: int = Field(64, ge=1, description="Sentences per forward pass. Source: ours")


class Best:
    """The labeller ``best``."""

    name = "best"
    source = "model"
    kind: Kind = "strategies"
    prompt_digest = None
    alone = False

    def __init__(self, settings: Settings) -> None:
        self._trained = trained(FOLDER, settings.batch_size)
        self.model = self._trained.digest

    def label(self, items: Sequence[Item]) -> Iterator[Label | Side]:
        """One answer per item, in order."""
        return self._trained.label(items)


def build(settings: Settings) -> Labeller:
    """The labeller with ``settings``; its backbone is fetched when it is not there yet.

    Raises:
        MissingExtraError: torch, transformers or peft is not installed.
        ModelError: the backbone cannot be fetched.
    """
    return Best(settings)
