"""Rules for a stance: what a reply says of the turn before it, and what it says of itself.

Without a turn before, an utterance speaks for the topic. A reply opposes whom it answers unless it
agrees first, and then it takes their side: without knowledge of that side, the post's. Where the
thread is known, the build's rules (``sad.build.stance``) know more; these need the text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from annotate.labeller import Item, Kind, Labeller, Side
from sad.settings import Settings as BaseSettings
from sad.types import Stance

CALIBRATION = {"first": 0.85, "agrees": 0.75, "reply": 0.4402}
"""P(support) by rule; measured on the sample's gold (n = 431) with one added to each count.

It is our own small text, and two comments agree in it: an order of rules more than a probability.
A test measures it again.
"""

_AGREES = re.compile(
    r"^\W*(?:(?:i|we) (?:(?:completely|totally|fully|do|quite|also|strongly) )?agree\b(?! to\b)|"
    r"agreed\b|exactly\b|(?:yes|yeah|yep|true|right|indeed|absolutely)\b[,.!:; ]|"
    r"you(?:['’]re| are) (?:absolutely |quite |completely )?right\b|"
    r"(?:good|fair|great|excellent) point\b|well (?:said|put)\b|this\b[.!]|same here\b)",
    re.IGNORECASE,
)
_BUT = re.compile(r"\b(?:but|however|though|although|except|still|yet)\b", re.IGNORECASE)
_WINDOW = 160  # characters after an agreement in which a "but" takes it back


class Settings(BaseSettings):
    """Settings of ``stance_rules``: there is none."""


class StanceRules:
    """The labeller ``stance_rules``."""

    name = "stance_rules"
    source = "heuristic"
    kind: Kind = "stance"
    model = None
    prompt_digest = None
    alone = False

    def label(self, items: Sequence[Item]) -> Iterator[Side]:
        """One answer per item, in order; blank texts and texts without topic are unclear."""
        for item in items:
            if not item.text.strip() or not item.topic.strip():
                yield Side(None, 0.5)
                continue
            support = CALIBRATION[rule(item)]
            yield Side(Stance(support > 0.5), support)


def rule(item: Item) -> str:
    """The name of the rule that applies to ``item``."""
    if not item.context:
        return "first"
    agreement = _AGREES.match(item.text)
    if not agreement:
        return "reply"
    after = item.text[agreement.end() : agreement.end() + _WINDOW]
    return "reply" if _BUT.search(after) else "agrees"


def build(settings: Settings) -> Labeller:
    """The labeller; it has no settings."""
    return StanceRules()
