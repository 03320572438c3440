"""A trained encoder: sentence by sentence, with the topic and the sentence before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from annotate.encoder import trained
from annotate.labeller import Item, Label, Labeller, Side
from sad.errors import SettingsError
from sad.settings import Settings as BaseSettings


class Settings(BaseSettings):
    """Settings of ``encoder``."""

    folder: str = Field(
        "", description="Of an encoder made by 'sad annotate train-encoder'. Source: ours"
    )
    batch_size: int = Field(64, ge=1, description="Sentences per forward pass. Source: ours")


class Encoder:
    """The labeller ``encoder``; strategies or stances, as its network was trained."""

    source = "model"
    prompt_digest = None
    alone = False

    def __init__(self, settings: Settings) -> None:
        self._trained = trained(Path(settings.folder), settings.batch_size)
        self.kind = self._trained.kind
        self.model = self._trained.digest
        self.name = f"encoder-{self.model[:8]}"

    def label(self, items: Sequence[Item]) -> Iterator[Label | Side]:
        """One answer per item, in order."""
        return self._trained.label(items)


def build(settings: Settings) -> Labeller:
    """The labeller with ``settings``.

    Raises:
        SettingsError: no folder is named.
        ModelError: there is no encoder in it.
    """
    if not settings.folder:
        raise SettingsError("labeller encoder: name its folder with --set folder=DIR")
    return Encoder(settings)
