"""Exemplars: a few labelled texts to show to a model, or to search with.

N is the size of the pool, K the number chosen, D the width of an embedding.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotate import guideline, training
from sad.errors import SettingsError
from sad.types import NO_STRATEGY, Strategy

Array = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Array]
"""From texts to vectors of length one: [N, D]."""

METHODS = ("static", "random", "similar", "medoids")
_ROUNDS = 25  # of moving medoids; they settle sooner


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A text with its strategies."""

    text: str
    topic: str
    strategies: Strategy


def pool() -> list[Exemplar]:
    """The utterances of our training text, without those held out for evaluation."""
    found = []
    for utterance in training.utterances(training.learnt_from(training.load())):
        text, strategies = training.whole(utterance)
        found.append(Exemplar(text, utterance[0].topic, strategies))
    return found


def choose(
    method: str,
    k: int,
    *,
    among: Sequence[Exemplar] = (),
    query: str = "",
    embed: Embed | None = None,
    seed: int = 0,
) -> list[Exemplar]:
    """K exemplars, in the order in which they should be shown.

    ``static`` gives the guideline's own examples, label by label in turn; ``random`` draws;
    ``similar`` gives those nearest to ``query``, the nearest last; ``medoids`` the centres of K
    clusters of the pool, changed so that every strategy of the pool is among them if K allows it.

    Args:
        method: one of ``METHODS``.
        k: K; fewer are given where there are fewer.
        among: the pool; of ``static`` it is the guideline.
        query: the text at hand, for ``similar``.
        embed: for ``similar`` and ``medoids``; for one pool call it once and cache.
        seed: of ``random`` and of the first medoid.

    Raises:
        SettingsError: there is no such method, or it lacks what it needs.
    """
    if method not in METHODS:
        raise SettingsError(f"no exemplars {method!r}; there are: {', '.join(METHODS)}")
    if method == "static":
        return _static()[:k]
    if method == "random":
        return random.Random(seed).sample(list(among), min(k, len(among)))
    if embed is None:
        raise SettingsError(f"exemplars {method}: an embedding is needed")
    vectors = embed([exemplar.text for exemplar in among])
    if method == "similar":
        near = np.argsort(-(vectors @ embed([query])[0]), kind="stable")[:k]
        return [among[place] for place in near[::-1]]
    chosen = medoids(vectors, k, seed)
    return [among[place] for place in covering(chosen, vectors, [e.strategies for e in among])]


def _static() -> list[Exemplar]:
    """The guideline's examples: the first of each label, then the second of each, and so on."""
    entries = guideline.load().entries
    longest = max(len(entry.yes) for entry in entries)
    return [
        Exemplar(entry.yes[turn], "", Strategy.from_labels([entry.label]))
        for turn in range(longest)
        for entry in entries
        if turn < len(entry.yes)
    ]


def medoids(vectors: Array, k: int, seed: int = 0) -> list[int]:
    """The places of K medoids: each is, of its cluster, nearest to the mean of the cluster.

    The first is drawn; each further one is the text farthest from all before it. Then texts join
    the nearest medoid, and medoids move to the middle of their texts, until none moves.

    Args:
        vectors: [N, D], of length one.
        k: K.
        seed: of the first draw.
    """
    n = len(vectors)
    if k >= n:
        return list(range(n))
    places = [random.Random(seed).randrange(n)]
    nearest = vectors @ vectors[places[0]]
    while len(places) < k:
        places.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, vectors @ vectors[places[-1]])
    for _ in range(_ROUNDS):
        cluster = (vectors @ vectors[places].T).argmax(axis=1)
        moved = [_middle(vectors, np.flatnonzero(cluster == c), places[c]) for c in range(k)]
        if moved == places:
            break
        places = moved
    return places


def _middle(vectors: Array, members: NDArray[np.int64], otherwise: int) -> int:
    if not len(members):  # two equal texts: the first took all
        return otherwise
    own = vectors[members]
    return int(members[(own @ own.mean(axis=0)).argmax()])


def covering(places: Sequence[int], vectors: Array, sets: Sequence[Strategy]) -> list[int]:
    """``places`` with as few exchanges as needed so that every strategy of ``sets`` is borne.

    A medoid that no strategy depends on gives way to the text nearest to it that bears what is
    missing; the rarest strategy is served first. Where no medoid can be spared, it is left out.
    """
    chosen = list(places)
    counts = {s: sum(s in found for found in sets) for s in Strategy}
    for strategy in sorted((s for s in Strategy if counts[s]), key=lambda s: counts[s]):
        if any(strategy in sets[place] for place in chosen):
            continue
        bearers = np.array(
            [i for i, found in enumerate(sets) if strategy in found and i not in chosen]
        )
        free = [turn for turn in range(len(chosen)) if _spared(turn, chosen, sets)]
        if not free or not len(bearers):
            continue
        closeness = vectors[[chosen[turn] for turn in free]] @ vectors[bearers].T
        turn, bearer = np.unravel_index(int(closeness.argmax()), closeness.shape)
        chosen[free[int(turn)]] = int(bearers[int(bearer)])
    return chosen


def _spared(turn: int, chosen: Sequence[int], sets: Sequence[Strategy]) -> bool:
    """Whether all that the medoid bears is borne by others as well."""
    others = NO_STRATEGY
    for place in (*chosen[:turn], *chosen[turn + 1 :]):
        others |= sets[place]
    return sets[chosen[turn]] in others
