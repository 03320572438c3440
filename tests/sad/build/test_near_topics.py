"""Near-duplicates and topic groups, held against every pair compared in plain Python."""

import random
import re

import numpy as np
import polars as pl
import pytest

from sad.build import clean, near, topics
from sad.build.clean import STOP_WORDS

WORDS = [f"w{i}" for i in range(400)]


def _shingles(text):
    words = re.findall(r"[^\W_]+", text.lower())
    return {tuple(words[i : i + near.WIDTH]) for i in range(len(words) - near.WIDTH + 1)}


def _jaccard(a, b):
    return len(a & b) / len(a | b) if a and b else 0.0


def _texts(seed, n=300):
    """Random texts, some of them edited copies of earlier ones; and a thread for each."""
    rng = random.Random(seed)
    texts = []
    for _ in range(n):
        words = rng.choices(WORDS, k=rng.randint(1, 60))
        if texts and rng.random() < 0.4:
            words = rng.choice(texts).split()
            for _ in range(rng.choice([0, 1, 2, 4, 8])):
                words[rng.randrange(len(words))] = rng.choice(WORDS)
        texts.append(" ".join(words))
    return texts, np.array([rng.randrange(40) for _ in texts])


def _repeats(texts, thread, threshold):
    """For each text the earlier one that it repeats or -1, in the steps of the stage ``choose``."""
    words = texts.to_frame("text").select(clean.normal(pl.col("text"))).to_series()
    sketch = near.sketches(words)
    keys = np.stack([*near.keys(sketch)])
    whose = np.broadcast_to(np.arange(len(texts)), keys.shape)
    pairs = near.candidates(keys.ravel(), whose.ravel(), thread)
    pairs = pairs[near.likely(sketch, pairs, threshold)]
    pairs = pairs[near.jaccard(words, pairs) >= threshold]
    found = np.full(len(texts), -1)
    marked = near.marked(pairs)
    for first, later in pairs.tolist():
        if later in marked and first not in marked:
            found[later] = first
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threshold", [0.5, 0.8, 1.0])
def test_what_is_marked_is_near_an_unmarked_earlier_text_of_another_thread(seed, threshold):
    texts, thread = _texts(seed)
    found = _repeats(pl.Series(texts), thread, threshold)
    assert (found >= 0).any()
    for later, first in enumerate(found):
        if first >= 0:
            assert first < later
            assert thread[first] != thread[later]
            assert found[first] < 0
            assert _jaccard(_shingles(texts[first]), _shingles(texts[later])) >= threshold


@pytest.mark.parametrize("seed", range(4))
def test_hardly_any_near_text_is_missed(seed):
    texts, thread = _texts(seed)
    found = _repeats(pl.Series(texts), thread, 0.8)
    sets = [_shingles(text) for text in texts]
    pairs = [
        (a, b)
        for b in range(len(texts))
        for a in range(b)
        if thread[a] != thread[b] and _jaccard(sets[a], sets[b]) >= 0.8
    ]
    left = [(a, b) for a, b in pairs if found[a] < 0 and found[b] < 0]
    assert len(pairs) > 20
    # 0.002 of the pairs at the threshold escape the sketches; stars in place of cliques cost more
    assert len(left) <= 0.05 * len(pairs)


def test_batches_do_not_change_the_result(monkeypatch):
    texts, thread = _texts(9)
    whole = _repeats(pl.Series(texts), thread, 0.8)
    monkeypatch.setattr(near, "_TEXTS_AT_ONCE", 7)
    assert np.array_equal(_repeats(pl.Series(texts), thread, 0.8), whole)


@pytest.mark.parametrize("texts", [[], ["", "", "a b"], ["a b c", "a b c"]])
def test_short_and_empty_texts(texts):
    found = _repeats(pl.Series(texts, dtype=pl.String), np.arange(len(texts)), 0.8)
    assert found.tolist() == ([-1, 0] if len(texts) == 2 else [-1] * len(texts))


def test_a_text_copied_often_costs_one_pair_each():
    texts = pl.Series(["the very same words again and again and again"] * 3000)
    assert _repeats(texts, np.arange(3000), 0.8).tolist() == [-1, *[0] * 2999]


def _bag(title):
    cut = (re.sub(r"^([a-z]{3,}[^s])s$", r"\1", w) for w in title.split() if w not in STOP_WORDS)
    return frozenset(cut)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("threshold", [0.4, 0.6, 0.75, 1.0])
def test_every_pair_of_like_titles_is_found(seed, threshold):
    rng = random.Random(seed)
    words = ["tax", "taxes", "the", "gun", "guns", "vote", "city", "should", "rent", "is", "war"]
    titles = sorted({" ".join(rng.choices(words, k=rng.randint(1, 7))) for _ in range(150)})
    table = pl.DataFrame({"row": range(len(titles)), "title": titles})
    bags = [_bag(title) for title in titles]
    expected = {
        (a, b): _jaccard(bags[a], bags[b])
        for b in range(len(titles))
        for a in range(b)
        if _jaccard(bags[a], bags[b]) >= threshold
    }
    found = topics.similar(table, threshold)
    assert {(a, b): likeness for a, b, likeness in found} == pytest.approx(expected)


def test_titles_join_the_first_they_are_like_and_nothing_is_chained():
    titles = [
        "rent control ruins big cities today",
        "rent control ruins big cities",  # like the first
        "rent control ruins cities badly everywhere",  # like the second alone
        "pineapple belongs on pizza",
        "",
        "",
    ]
    leader, apart = topics.group(pl.Series(titles), 0.6)
    assert leader.to_list() == [0, 0, 2, 3, 4, 5]
    assert apart == 0
    leader, apart = topics.group(pl.Series(titles), 0.55)
    assert leader.to_list() == [0, 0, 2, 3, 4, 5]
    assert apart == 1  # the second and the third are alike, and their groups are not one


def test_equal_titles_share_a_group_without_any_threshold():
    leader, _ = topics.group(pl.Series(["all of it", "x", "all of it"]), None)
    assert leader.to_list() == [0, 1, 0]
