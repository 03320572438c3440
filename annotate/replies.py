"""Reading a language model's answer: out of a closed set, or not at all."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from annotate.labeller import Kind, Label, Side
from annotate.prompts import shown
from annotate.votes import UNCLEAR
from sad.types import NO_STRATEGY, Span, Stance, Strategy

Row = Sequence[float]
Verdict = Label | Side

DIGITS = 4
"""Decimals of scores: more are noise of the arithmetic."""


def from_logprobs(kind: Kind, rows: Sequence[Row], prior: Sequence[Row] | None) -> Verdict:
    """The verdict of log-likelihoods [Q][2] of yes and no, or of support and oppose.

    Each probability is the softmax over the two. A ``prior`` [Q][2], the same about a text without
    content, is subtracted first (contextual calibration, Zhao et al. 2021). A text that is said to
    use no strategy is a Statement, as the guideline has it.
    """
    biases = prior or [(0.0, 0.0)] * len(rows)
    scores = tuple(
        round(_sigmoid((yes - no) - (bias_yes - bias_no)), DIGITS)
        for (yes, no), (bias_yes, bias_no) in zip(rows, biases, strict=True)
    )
    if kind == "stance":
        return Side(_side(scores[0]), scores[0])
    found = NO_STRATEGY
    for strategy, score in zip(Strategy, scores, strict=True):
        if score > 0.5:
            found |= strategy
    return Label(found or Strategy.STATEMENT, scores, ())


def from_text(kind: Kind, answer: str, text: str) -> Verdict | None:
    """The verdict written in ``answer`` about ``text``; None if it is not of the form asked for.

    Labels outside the closed set make the answer unusable. Quotes that ``text`` does not contain
    are left out: they are evidence only, and models paraphrase.
    """
    value = _json(answer)
    if kind == "stance":
        return _stance(value.get("stance"))
    labels, evidence = value.get("strategies"), value.get("evidence")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        return None
    try:
        found = Strategy.from_labels(labels)
    except ValueError:
        return None
    if not found:
        return None
    spans = _spans(found, evidence if isinstance(evidence, dict) else {}, shown(text))
    return Label(found, tuple(float(s in found) for s in Strategy), tuple(spans))


def vote(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """What most of ``verdicts`` say, with the mean of their scores; None if there are none.

    A strategy is kept when more than half name it; where none is, those that most name. A stance
    is unclear in a tie. A span is kept with its strategy.
    """
    labels = [verdict for verdict in verdicts if isinstance(verdict, Label)]
    sides = [verdict for verdict in verdicts if isinstance(verdict, Side)]
    if sides:
        return _most_sides(sides)
    if not labels:
        return None
    named = {s: sum(s in label.strategies for label in labels) for s in Strategy}
    needed = min(len(labels) // 2 + 1, max(named.values()))
    kept = NO_STRATEGY
    for strategy, n in named.items():
        if n >= needed:
            kept |= strategy
    spans = {span for label in labels for span in label.spans if span.label in kept}
    scores = tuple(_mean(column) for column in zip(*(x.scores for x in labels), strict=True))
    return Label(kept, scores, tuple(sorted(spans, key=lambda s: (s.start, s.end, s.label.value))))


def _most_sides(sides: Sequence[Side]) -> Side:
    balance = sum((s.stance is Stance.SUPPORT) - (s.stance is Stance.OPPOSE) for s in sides)
    stance = Stance(int(balance > 0)) if balance else None
    return Side(stance, _mean([side.support for side in sides]))


def _mean(values: Sequence[float]) -> float:
    return round(math.fsum(values) / len(values), DIGITS)


def _sigmoid(x: float) -> float:
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    return math.exp(x) / (1.0 + math.exp(x))


def _side(support: float) -> Stance | None:
    return None if support == 0.5 else Stance(int(support > 0.5))


def _stance(value: Any) -> Side | None:
    scores = {Stance.SUPPORT.label: 1.0, Stance.OPPOSE.label: 0.0, UNCLEAR: 0.5}
    if not isinstance(value, str) or value not in scores:
        return None
    return Side(_side(scores[value]), scores[value])


def _json(answer: str) -> dict[str, Any]:
    """The JSON object in ``answer``, which may stand in a fence or between words; {} if none."""
    begin, end = answer.find("{"), answer.rfind("}")
    try:
        value = json.loads(answer[begin : end + 1])
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _spans(found: Strategy, evidence: dict[str, Any], text: str) -> Iterator[Span]:
    """Where the quotes of each strategy in ``found`` stand; the first place where it is twice."""
    for strategy in found:
        quotes = evidence.get(strategy.label)
        places = [_place(quote, text) for quote in quotes] if isinstance(quotes, list) else []
        for place in sorted({place for place in places if place}):
            yield Span(strategy, *place)


def _place(quote: Any, text: str) -> tuple[int, int] | None:
    """Where ``quote``, if not blank, stands in ``text``; white space may differ."""
    words = shown(quote).split() if isinstance(quote, str) else []
    if not words:
        return None
    match = re.search(r"\s+".join(map(re.escape, words)), text)
    return match.span() if match else None
