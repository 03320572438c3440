"""Published numbers: each is the paper's, never ours.

Paper: *SAD: A Large-Scale Strategic Argumentative Dialogue Dataset*, ACL 2026 (arXiv 2601.07423).
``PAPER`` values come from its abstract; ``PAPER_DIGEST`` values from machine-written digests of it,
so they are weaker.
"""

from __future__ import annotations

from types import MappingProxyType

PAPER = MappingProxyType({"dialogues": 392_822})
"""Stated by the paper's abstract."""

PAPER_DIGEST = MappingProxyType(
    {
        "utterances": 722_812,
        "topics": 20_619,
        "threads": 26_726,
        # Doubtful: 660 nodes per tree, ten times what peers count on this subreddit. It may count
        # nodes once per linearised path. Never a check on a fresh crawl.
        "nodes": 17_652_244,
        "stance_fleiss_kappa": 0.78,
        "stance_raters": 5,
    }
)
"""Stated by digests of the paper only."""

STRATEGY_DEFINITIONS = MappingProxyType(
    {
        "Question": "an interrogative that does argumentative work: it probes a premise, "
        "shifts the burden of proof, or is rhetorical",
        "Causality": "a claim that one event, policy or state produces, prevents or enables "
        "another, given as a reason",
        "Example": "a concrete member of the class under debate: a named case, a statistic of "
        "a case, a personal story, a hypothetical instance of the same kind",
        "Analogy": "a structure from a different domain or case, mapped onto the issue to "
        "carry a conclusion",
        "Statement": "a plain assertion of a claim, value, definition, fact or concession",
    }
)
"""One line per strategy. Source: ours; the paper's guideline is not available to us."""
