"""Check our training text and say what is in it: ``python -m annotate.training``."""

from __future__ import annotations

import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence

from annotate import training
from annotate.training import Sentence
from sad.console import print_rows
from sad.types import Strategy

FRAME, MOST = 5, 3
"""No sequence of so many words may stand in more than so many sentences."""
LIKE, SHARE = 0.6, 0.01
"""Sentences whose words have that Jaccard index are near-duplicates: less than that share."""

_WORD = re.compile(r"[\w']+")


def repeated_frames(sentences: Sequence[Sentence]) -> dict[str, list[str]]:
    """The word sequences that stand in too many sentences, with the ids of those."""
    found: dict[str, list[str]] = defaultdict(list)
    for sentence in sentences:
        words = _WORD.findall(sentence.text.lower())
        frames = {" ".join(words[i : i + FRAME]) for i in range(len(words) - FRAME + 1)}
        for frame in frames:
            found[frame].append(sentence.id)
    return {frame: ids for frame, ids in found.items() if len(ids) > MOST}


def near_duplicates(sentences: Sequence[Sentence]) -> list[str]:
    """The ids of sentences whose words are nearly those of an earlier one."""
    sets = [frozenset(_WORD.findall(sentence.text.lower())) for sentence in sentences]
    frequency = Counter(word for words in sets for word in words)
    bearers: dict[str, list[int]] = defaultdict(list)
    found = []
    for place, words in enumerate(sets):
        # Of two sets that share so much, one of the rarest words of each is in the other.
        rare = sorted(words, key=lambda word: (frequency[word], word))
        least = LIKE * len(words)
        prefix = rare[: len(words) - math.ceil(least) + 1]
        near = {i for word in prefix for i in bearers[word] if len(sets[i]) >= least}
        if any(len(words & sets[i]) >= LIKE * len(words | sets[i]) for i in near):
            found.append(sentences[place].id)
        for word in prefix:
            bearers[word].append(place)
    return found


def main() -> None:
    """Print the counts; end with an error where a promise of the card is broken."""
    sentences = training.load()
    rows = []
    for batch in sorted({sentence.batch for sentence in sentences}):
        own = [sentence for sentence in sentences if sentence.batch == batch]
        shares = [sum(s in x.strategies for x in own) / len(own) for s in Strategy]
        topics = len({sentence.topic for sentence in own})
        rows.append([batch, str(topics), f"{len(own):,}", *(f"{share:.1%}" for share in shares)])
    print_rows(
        "Training text", ["batch", "topics", "sentences", *(s.label for s in Strategy)], rows
    )
    frames, doubles = repeated_frames(sentences), near_duplicates(sentences)
    for frame, ids in frames.items():
        sys.stderr.write(f"'{frame}' stands in {', '.join(ids)}\n")
    sys.stderr.write(f"{len(doubles)} of {len(sentences):,} sentences are near-duplicates\n")
    sys.exit(bool(frames) or len(doubles) >= SHARE * len(sentences))


if __name__ == "__main__":
    main()
