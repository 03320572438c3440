"""Language models asked with the guideline in the prompt; several models and prompts vote.

A local model decides by log-likelihood, yes or no per strategy; a served one writes a JSON object.
Answers come out of the closed set only, whatever a text says; which of them still depends on how
well the model resists. The default SmolLM2 shows that all works and labels badly: it says yes to
nearly everything, and orders appended to three texts changed 43 of 150 sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from annotate.asking import Asking, AskSettings, digest, signature, voters
from annotate.labeller import Answer, Item, Kind
from annotate.prompts import Case
from annotate.replies import Verdict, vote


class Settings(AskSettings):
    """Settings of ``llm``."""

    models: list[str] = Field(
        ["hf:smollm2"],
        description="Models: hf:NAME, http://HOST/v1#NAME, replay:FILE; several servers of one "
        """in quotes: --set 'models=["http://A/v1,http://B/v1#NAME"]'. Source: ours, the one """
        "that needs no network; it is far too small to label well",
    )
    prompts: list[str] = Field(["v1"], description="Versions of the prompt. Source: ours")


class Llm:
    """The labeller ``llm``: the majority of every model under every prompt.

    Its scores are means of probabilities; those of a served model are 0 or 1.
    """

    source = "llm"
    alone = True

    def __init__(self, settings: Settings) -> None:
        self._voters = voters(settings.models, settings.prompts, settings)
        self._asking = Asking(self._voters, settings, self._decide)
        self.kind: Kind = settings.kind
        self.model = ", ".join(dict.fromkeys(voter.model.id for voter in self._voters))
        self.prompt_digest = digest(sorted({voter.prompt.digest for voter in self._voters}))
        self.name = f"llm-{digest(signature(self._voters, settings))[:8]}"

    @property
    def usage(self) -> dict[str, Any]:
        """What was asked, how fast and at what cost, so far (``Asking.usage``)."""
        return self._asking.usage()

    def label(self, items: Sequence[Item]) -> Iterator[Answer]:
        """One answer per item, in order; None where there is no usable one (``Asking.label``)."""
        return self._asking.label(items)

    def _decide(self, cases: Sequence[Case]) -> list[Verdict | None]:
        each = [voter.verdicts(cases) for voter in self._voters]
        return [vote(verdicts) for verdicts in zip(*each, strict=True)]


def build(settings: Settings) -> Llm:
    """The labeller with ``settings``."""
    return Llm(settings)
