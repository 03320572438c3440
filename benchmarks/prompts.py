"""Prompts, versioned: a change of wording is a new version and a new task version.

``paper_nostrat`` follows the layout that a reader of the paper reports (specification 6), in our
words; ``strat_v1`` and the classification prompts are ours.
"""

from __future__ import annotations

from typing import Any

from sad.constants import STRATEGY_DEFINITIONS
from sad.types import STANCE_LABELS, STRATEGY_LABELS

HISTORY_WORDS = 600
"""Words of history kept, from the newest turn backwards. Source: ours."""


def kept_history(doc: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    """The newest turns that fit into ``HISTORY_WORDS``, oldest first, and whether any was left out.

    The newest turn is always kept, cut at its start if it is too long alone.
    """
    kept: list[dict[str, Any]] = []
    left = HISTORY_WORDS
    for turn in reversed(doc["history"]):
        words = turn["text"].split()
        if len(words) > left:
            if not kept:
                kept.append(turn | {"text": " ".join(words[-left:])})
            return kept[::-1], True
        kept.append(turn)
        left -= len(words)
    return kept[::-1], False


def _turn(turn: dict[str, Any]) -> str:
    # One turn is one line: the text of users cannot open a new section of the prompt.
    return f"{STANCE_LABELS[turn['stance']]}: {_line(turn['text'])}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _opening(doc: dict[str, Any]) -> str:
    turns, _ = kept_history(doc)
    history = "\n".join(map(_turn, turns)) or "(nothing has been said yet)"
    return f"# Topic\n{_line(doc['topic'])}\n\n# Debate History\n{history}\n\n"


def paper_nostrat(doc: dict[str, Any]) -> str:
    """The prompt without stance and strategies."""
    return _opening(doc) + (
        "You are an expert debater. Read the #Topic and the #Debate History above and write the "
        "next turn of the discussion. Your answer is used for research only. Take a clear "
        "position and give the reply itself, nothing else.\n\n# Reply\n"
    )


def strat_v1(doc: dict[str, Any]) -> str:
    """The prompt with the stance to take and the strategies to use, each defined in one line.

    It ends as the turns of the history begin, which keeps models without a chat form in the debate.
    """
    wanted = "\n".join(
        f"- {name}: {STRATEGY_DEFINITIONS[name]}" for name in doc["target_strategies"]
    )
    stance = STANCE_LABELS[doc["target_stance"]]
    return _opening(doc) + (
        f"# Your Stance\n{stance} the topic\n\n# Strategies\n{wanted}\n\n"
        "You are an expert debater. Read the #Topic and the #Debate History above and write the "
        "next turn of the discussion from #Your Stance. Use every one of the #Strategies and no "
        "other. Your answer is used for research only. Give the reply itself, nothing else."
        f"\n\n# Reply\n{stance}:"
    )


def _utterance(doc: dict[str, Any]) -> str:
    context = f"# Previous Turn\n{_line(doc['context'])}\n\n" if doc["context"] else ""
    return f"# Topic\n{_line(doc['topic'])}\n\n{context}# Utterance\n{_line(doc['text'])}\n\n"


def stance_v1(doc: dict[str, Any]) -> str:
    """The prompt of the stance task; the answer is ``oppose`` or ``support``."""
    return _utterance(doc) + "Does the utterance support or oppose the topic?\nAnswer:"


def strategy_v1(doc: dict[str, Any]) -> str:
    """The prompt of the strategy task; the answers are ``NAME: yes`` and ``NAME: no``."""
    defined = "\n".join(f"- {name}: {text}" for name, text in STRATEGY_DEFINITIONS.items())
    return _utterance(doc) + (
        f"# Strategies\n{defined}\n\nWhich of the strategies does the utterance use?\nAnswer:"
    )


def stance_choices(_: dict[str, Any]) -> list[str]:
    """The answers of ``stance_v1``, by stance value."""
    return list(STANCE_LABELS)


def strategy_choices(_: dict[str, Any]) -> list[str]:
    """Two answers per strategy of ``strategy_v1``: yes and no, five decisions in all."""
    return [f"{name}: {answer}" for name in STRATEGY_LABELS for answer in ("yes", "no")]


def strategy_target(doc: dict[str, Any]) -> list[int]:
    """The right answers among ``strategy_choices``, one per strategy."""
    return [2 * i + (name not in doc["strategies"]) for i, name in enumerate(STRATEGY_LABELS)]
