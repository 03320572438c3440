"""Two language models annotate alone; a third sees both answers and decides where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from annotate.asking import Asking, AskSettings, digest, signature, voters, with_proposals
from annotate.labeller import Answer, Item, Kind, Label
from annotate.prompts import Case, named
from annotate.replies import Verdict, vote
from annotate.votes import UNCLEAR
from sad.errors import SettingsError
from sad.lm.cache import Cached
from sad.types import Strategy


class Settings(AskSettings):
    """Settings of ``llm_refined``."""

    models: list[str] = Field(
        ["hf:smollm2"],
        description="One model, or two: forms as of llm. Source: ours, as of llm",
    )
    prompts: list[str] = Field(
        ["v1", "v2"],
        description="Two versions of the prompt for one model, or one for two. Source: ours",
    )
    consolidator: str = Field(
        "hf:smollm2", description="The model that decides. Source: ours, as of llm"
    )
    consolidator_prompt: str = Field(
        "v1", description="Its version of the prompt. Source: ours, the whole guideline"
    )
    ask_when_agreed: bool = Field(
        False,
        description="Ask the third where both agree too, and let it overrule them. Source: ours",
    )


class LlmRefined:
    """The labeller ``llm_refined``.

    What both name stays and what neither names stays out, unless ``ask_when_agreed``: the third
    decides on the rest. Where its stance is neither of theirs, the two vote, and a tie is unclear.
    It sees the two in an order that only the text decides.
    """

    source = "llm"
    alone = True

    def __init__(self, settings: Settings) -> None:
        opened: dict[str, Cached] = {}
        self._pair = voters(settings.models, settings.prompts, settings, opened)
        if len(self._pair) != 2:
            raise SettingsError(
                f"llm_refined needs two annotators, not {len(self._pair)}: give two models and one "
                "prompt, or one model and two prompts"
            )
        (self._third,) = voters(
            [settings.consolidator], [settings.consolidator_prompt], settings, opened
        )
        self._overrule = settings.ask_when_agreed
        everyone = [*self._pair, self._third]
        self._asking = Asking(everyone, settings, self._decide)
        self.kind: Kind = settings.kind
        self.model = ", ".join(dict.fromkeys(voter.model.id for voter in everyone))
        self.prompt_digest = digest(voter.prompt.digest for voter in everyone)
        whole = [*signature(everyone, settings), self._overrule]
        self.name = f"llm_refined-{digest(whole)[:8]}"

    @property
    def usage(self) -> dict[str, Any]:
        """What was asked, how fast and at what cost, so far (``Asking.usage``)."""
        return self._asking.usage()

    def label(self, items: Sequence[Item]) -> Iterator[Answer]:
        """One answer per item, in order; None where there is no usable one (``Asking.label``)."""
        return self._asking.label(items)

    def _decide(self, cases: Sequence[Case]) -> list[Verdict | None]:
        firsts, seconds = (voter.verdicts(cases) for voter in self._pair)
        found = [vote(pair) if all(pair) else None for pair in zip(firsts, seconds, strict=True)]
        disputed = [
            place
            for place, (first, second) in enumerate(zip(firsts, seconds, strict=True))
            if first and second and (self._overrule or _said(first) != _said(second))
        ]
        asked = [
            with_proposals(cases[place], [_said(firsts[place]), _said(seconds[place])])
            for place in disputed
        ]
        for place, third in zip(disputed, self._third.verdicts(asked), strict=True):
            found[place] = self._settled(firsts[place], seconds[place], third)
        return found

    def _settled(
        self, first: Verdict | None, second: Verdict | None, third: Verdict | None
    ) -> Verdict | None:
        """The third's verdict, held to what the two said unless it may overrule them."""
        if self._overrule or third is None:
            return third
        if not (
            isinstance(first, Label) and isinstance(second, Label) and isinstance(third, Label)
        ):
            followed = _said(third) in (_said(first), _said(second))
            return third if followed else vote([first, second])
        either = first.strategies | second.strategies
        kept = (first.strategies & second.strategies) | (third.strategies & either)
        if not kept:  # two answers with nothing in common, and the third takes neither
            kept = _likeliest(either, third)
        spans = {span for one in (first, second, third) for span in one.spans if span.label in kept}
        ordered = sorted(spans, key=lambda span: (span.start, span.end, span.label.value))
        mean = vote([first, second, third])
        return Label(kept, mean.scores, tuple(ordered)) if isinstance(mean, Label) else None


def _likeliest(either: Strategy, third: Label) -> Strategy:
    """The strategy out of ``either`` that the third finds likeliest; of equal ones the last.

    The last in canonical order is the plainest: in doubt it is a Statement.
    """
    score = dict(zip(Strategy, third.scores, strict=True))
    return max(reversed(list(either)), key=lambda strategy: score[strategy])


def _said(verdict: Verdict | None) -> str:
    """What ``verdict`` says, in words out of the closed set."""
    if isinstance(verdict, Label):
        return named(verdict.strategies)
    return verdict.stance.label if verdict and verdict.stance is not None else UNCLEAR


def build(settings: Settings) -> LlmRefined:
    """The labeller with ``settings``."""
    return LlmRefined(settings)
