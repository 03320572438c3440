"""Asking language models about texts: voters, second tries, texts left without an answer."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from pydantic import Field

from annotate import sentences
from annotate.labeller import Item, Kind, Label, Side, joined
from annotate.prompts import VERSIONS, Case, Prompt
from annotate.replies import Verdict, from_logprobs, from_text
from sad.errors import ModelError, SettingsError
from sad.lm import Answer, Request, open_model
from sad.lm.cache import Cached
from sad.lm.settings import LmSettings
from sad.types import NO_STRATEGY, Strategy

_LOCAL_WINDOW = 32  # texts asked about before the first answer is given
_PER_IN_FLIGHT = 16  # of served models: enough to keep all requests on their way


class AskSettings(LmSettings):
    """Settings of labellers that ask language models."""

    kind: Kind = Field("strategies", description="What is labelled. Source: ours")
    unit: Literal["utterance", "sentence"] = Field(
        "sentence",
        description="What is asked about. Sentences are joined as the guideline has it, and an "
        "order in one cannot touch the labels of another; utterances cost a request each. A "
        "stance is always that of the utterance. Source: ours",
    )
    shots: int = Field(
        2,
        ge=0,
        description="Examples that the prompt shows per strategy, of it and of what it is not; "
        "they are the guideline's. Source: ours",
    )
    calibrate: bool = Field(
        True,
        description="Subtract a local model's answer about a text without content (N/A): small "
        "models lean to one answer. Source: contextual calibration, Zhao et al. 2021",
    )
    max_words: int = Field(
        400,
        ge=8,
        description="Words of a text that are shown; of a longer one its beginning and its end. "
        "Source: ours",
    )
    max_failures: int = Field(
        100,
        ge=0,
        description="Texts that may stay without a usable answer; they are left out and counted. "
        "Source: ours",
    )


class How(NamedTuple):
    """How a case is asked about."""

    words: int  # of the text that are shown
    tokens: int  # that a written answer may take
    again: bool = False  # whether the last answer was not of the form

    def after(self, answer: Answer) -> How:
        """How to ask once more after ``answer``, which was of no use."""
        if answer.cut_off:
            return self._replace(tokens=2 * self.tokens)
        if answer.fault:
            return self._replace(words=self.words // 4)
        return self._replace(again=True)


Read = tuple[Verdict | None, Answer]
"""The verdict, None if there is none, and the answer that it was, or was not, read from."""


class Voter:
    """One model under one prompt; ``counts`` has its second tries and what they left unusable."""

    def __init__(self, model: Cached, prompt: Prompt, settings: AskSettings) -> None:
        self.model, self.prompt = model, prompt
        self.counts: Counter[str] = Counter()
        self._settings = settings

    def verdicts(self, cases: Sequence[Case]) -> list[Verdict | None]:
        """One verdict per case, None where two tries gave no usable answer.

        An unusable answer is asked for again, told what was wrong; one that was cut off may take
        twice the tokens; a request that is refused, as too long for instance, is sent again with
        a quarter of the words.
        """
        read = self._chosen if self.model.chooses else self._written
        first = How(self._settings.max_words, self._settings.max_tokens)
        found = read(cases, [first] * len(cases))
        failed = [place for place, (verdict, _) in enumerate(found) if verdict is None]
        if failed:
            self.counts["retried"] += len(failed)
            how = [first.after(found[place][1]) for place in failed]
            second = read([cases[place] for place in failed], how)
            for place, one in zip(failed, second, strict=True):
                found[place] = one
            self.counts["unusable"] += sum(verdict is None for verdict, _ in second)
        return [verdict for verdict, _ in found]

    def _chosen(self, cases: Sequence[Case], how: Sequence[How]) -> list[Read]:
        asked = [self.prompt.choose(case, h.words) for case, h in zip(cases, how, strict=True)]
        neutral = list(dict.fromkeys(case.neutral() for case in cases))
        if not self._settings.calibrate:
            neutral = []
        answers = self._answers([*asked, *map(self.prompt.choose, neutral)])
        biases = dict(zip(neutral, answers[len(asked) :], strict=True))
        return [
            self._weighed(answer, biases.get(case.neutral()))
            for case, answer in zip(cases, answers, strict=False)
        ]

    def _weighed(self, answer: Answer, bias: Answer | None) -> Read:
        if answer.fault:
            return None, answer
        if bias and bias.fault:
            return None, bias
        prior = bias.logprobs if bias else None
        return from_logprobs(self.prompt.kind, answer.logprobs, prior), answer

    def _written(self, cases: Sequence[Case], how: Sequence[How]) -> list[Read]:
        asked = [
            self.prompt.write(case, h.words, max_tokens=h.tokens, again=h.again)
            for case, h in zip(cases, how, strict=True)
        ]
        return [
            (None if answer.fault else from_text(self.prompt.kind, answer.text, case.text), answer)
            for case, answer in zip(cases, self._answers(asked), strict=True)
        ]

    def _answers(self, requests: Sequence[Request]) -> list[Answer]:
        found = dict(self.model.answer(requests))
        return [found[place] for place in range(len(requests))]


def voters(
    models: Sequence[str],
    prompts: Sequence[str],
    settings: AskSettings,
    opened: dict[str, Cached] | None = None,
) -> list[Voter]:
    """Every model under every prompt; models in ``opened`` are used again, others added to it.

    Raises:
        SettingsError: there is no such version of the prompt, one is named twice, or two models
            go by one name.
        ModelError: there is no such model.
    """
    if unknown := [prompt for prompt in prompts if prompt not in VERSIONS]:
        raise SettingsError(f"no prompt {unknown[0]!r}; there are: {', '.join(VERSIONS)}")
    for given in (models, prompts):
        if not given or len(set(given)) < len(given):
            raise SettingsError(f"name each model and prompt once, at least one; not {list(given)}")
    known = {} if opened is None else opened
    for spec in models:
        if spec not in known:
            known[spec] = open_model(spec, settings)
    _told_apart(known)
    return [
        Voter(known[spec], Prompt(version, settings.kind, settings.shots), settings)
        for spec in models
        for version in prompts
    ]


def _told_apart(opened: dict[str, Cached]) -> None:
    """Refuse models of one id: the kept answers of one would be taken for those of the other."""
    specs: dict[str, str] = {}
    for spec, model in opened.items():
        if (other := specs.setdefault(model.id, spec)) != spec:
            raise SettingsError(
                f"{other} and {spec} are both called {model.id}, so that their answers cannot be "
                "told apart. If they are one model, write it the same way, its servers in quotes "
                'as "http://A/v1,http://B/v1#NAME"; else serve one under another name'
            )


def digest(values: Iterable[Any]) -> str:
    """SHA-256 (hex) of plain ``values``."""
    return hashlib.sha256(json.dumps(list(values)).encode()).hexdigest()


def signature(asked: Sequence[Voter], settings: AskSettings) -> list[Any]:
    """All that decides what ``asked`` answer, as plain values."""
    each = [[voter.model.id, voter.prompt.digest] for voter in asked]
    how = [settings.unit, settings.calibrate, settings.max_words, settings.max_tokens]
    return [each, *how]


class Asking:
    """Labels items with ``decide``, which gives a verdict or None per case."""

    def __init__(
        self,
        asked: Sequence[Voter],
        settings: AskSettings,
        decide: Callable[[Sequence[Case]], Sequence[Verdict | None]],
    ) -> None:
        self._voters, self._settings, self._decide = asked, settings, decide
        self._left_out = 0
        self._by_sentence = settings.kind == "strategies" and settings.unit == "sentence"

    def label(self, items: Sequence[Item]) -> Iterator[Verdict | None]:
        """One answer per item, in order; None for a text left without a usable one.

        Nothing is asked about a blank text, which has the empty set, nor about a stance without a
        topic or a text, which is unclear. A text with a sentence left without has none either.

        Raises:
            ModelError: more texts than ``max_failures`` stayed without.
        """
        local = all(voter.model.chooses for voter in self._voters)
        size = _LOCAL_WINDOW if local else _PER_IN_FLIGHT * self._settings.in_flight
        for start in range(0, len(items), size):
            window = items[start : start + size]
            places = [self._units(item) for item in window]
            cases = [
                _case(item, *place)
                for item, units in zip(window, places, strict=True)
                for place in units
            ]
            verdicts = iter(self._decide(cases))
            for item, units in zip(window, places, strict=True):
                yield self._joined(item, units, [next(verdicts) for _ in units])

    def usage(self) -> dict[str, Any]:
        """What was asked of each model, its cost and rates, and how often answers were unusable.

        It may be read at any time, also after an error or Ctrl-C.
        """
        counts = sum((voter.counts for voter in self._voters), Counter())
        models = {voter.model.id: voter.model.usage.report() for voter in self._voters}
        tries = {name: counts[name] for name in ("retried", "unusable")}
        return {"models": models, **tries, "left_out": self._left_out}

    def _units(self, item: Item) -> list[tuple[int, int]]:
        """Where what is asked about begins and ends: sentences, or the text."""
        blank = not item.text.strip()
        if blank or (self._settings.kind == "stance" and not item.topic.strip()):
            return []
        found = next(sentences.split([item.text])) if self._by_sentence else []
        return found or [(0, len(item.text))]

    def _joined(
        self, item: Item, units: list[tuple[int, int]], verdicts: list[Verdict | None]
    ) -> Verdict | None:
        if None in verdicts:
            self._leave_out()
            return None
        if not verdicts:
            stance = self._settings.kind == "stance"
            return Side(None, 0.5) if stance else Label(NO_STRATEGY, (0.0,) * len(Strategy), ())
        if not self._by_sentence:
            return verdicts[0]
        labels = [verdict for verdict in verdicts if isinstance(verdict, Label)]
        scores = tuple(max(column) for column in zip(*(x.scores for x in labels), strict=True))
        return joined(item, units, (label.strategies for label in labels), scores)

    def _leave_out(self) -> None:
        self._left_out += 1
        if self._left_out > self._settings.max_failures:
            names = ", ".join(dict.fromkeys(voter.model.id for voter in self._voters))
            raise ModelError(
                f"{names}: {self._left_out} texts have no usable answer after two tries each; use "
                "another model, or allow more with --set max_failures=N (they are left out)"
            )


def _case(item: Item, start: int, end: int) -> Case:
    """What of ``item`` lies between ``start`` and ``end``, with what was said just before it."""
    before = item.text[:start].strip() or (item.context[-1] if item.context else "")
    return Case(item.text[start:end], item.topic, before)


def with_proposals(case: Case, proposals: Sequence[str]) -> Case:
    """``case`` with two answers, in an order that only the text decides."""
    first, second = proposals
    swapped = int(digest([case.text, case.topic])[0], 16) % 2
    return replace(case, proposals=(second, first) if swapped else (first, second))
