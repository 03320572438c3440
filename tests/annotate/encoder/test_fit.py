import math
import random
import re
from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from toy_texts import toy

from annotate.encoder import fit, net
from annotate.encoder.fit import FitSettings, batches
from annotate.encoder.rows import Row, matrix
from sad.types import STRATEGY_LABELS

LABELS = list(STRATEGY_LABELS)
PLAIN = {"bare": 1.0, "worn": 0.0, "dropout": 0.0, "batch_size": 8}
HOW = {
    "frozen": FitSettings(epochs=25, head_lr=1e-2, **PLAIN),
    "lora": FitSettings(epochs=40, lr=4e-3, head_lr=1e-2, **PLAIN),
    "full": FitSettings(epochs=25, lr=2e-3, head_lr=5e-3, **PLAIN),
}
BACKBONES = pytest.mark.parametrize("backbone", ["tiny_bert", "tiny_model"], indirect=True)


def _create(backbone, mode, seed=0):
    shape = net.Shape(backbone=backbone, mode=mode, rank=16, labels=LABELS)
    return net.create(shape, dropout=0.0, seed=seed)


def _logits(encoder, rows):
    return fit.run(encoder, [(row.text, "") for row in rows], encoder.net)


def _entropy(logits, rows):
    """Mean binary cross-entropy, by its definition."""
    truth, chances = matrix(rows), 1 / (1 + np.exp(-logits.astype(float)))
    return -(truth * np.log(chances) + (1 - truth) * np.log(1 - chances)).mean()


@BACKBONES
@pytest.mark.parametrize("mode", HOW)
def test_every_mode_learns_a_separable_set(backbone, mode):
    rows = toy(48)
    encoder = _create(backbone, mode)
    encoder.net.eval()
    before, told = _entropy(_logits(encoder, rows), rows), []
    last = fit.fit(encoder, rows, HOW[mode], lambda *progress: told.append(progress))
    weights = net.trained_weights(encoder)
    net.ready(encoder, weights)
    logits = _logits(encoder, rows)
    after = _entropy(logits, rows)
    assert before > 0.5 and after < 0.1 and last < 0.1
    assert f1_score(matrix(rows), logits > 0, average=None).tolist() == [1.0] * 5
    assert told[-1][0] == told[-1][1] and sorted(told) == told


def test_a_learnt_word_counts_in_new_texts(tiny_bert):
    encoder = _create(str(tiny_bert), "full")
    how = FitSettings(epochs=8, lr=3e-3, head_lr=5e-3, **(PLAIN | {"batch_size": 16}))
    fit.fit(encoder, toy(200), how, lambda *_: None)
    fresh = toy(100, seed=1)
    found = _logits(encoder, fresh) > 0
    assert f1_score(matrix(fresh), found, average="macro") > 0.95


@pytest.mark.parametrize("mode", ["frozen", "lora"])
def test_equal_seeds_give_equal_weights(tiny_bert, mode):
    def weights(seed):
        encoder = _create(str(tiny_bert), mode, seed)
        fit.fit(encoder, toy(16), FitSettings(epochs=1, seed=seed), lambda *_: None)
        return net.trained_weights(encoder)

    one, same, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_only_what_is_to_be_trained_changes(tiny_bert):
    for mode in ("frozen", "lora"):
        encoder = _create(str(tiny_bert), mode)
        before = {n: p.detach().clone() for n, p in encoder.net.named_parameters()}
        fit.fit(encoder, toy(16), FitSettings(epochs=1), lambda *_: None)
        changed = {n for n, p in encoder.net.named_parameters() if not torch.equal(p, before[n])}
        kinds = {
            "head" if n.startswith("head.") else "lora_" if "lora_" in n else n for n in changed
        }
        assert kinds == ({"head"} if mode == "frozen" else {"head", "lora_"})


def test_loss_is_the_cross_entropy_of_what_is_annotated():
    nan = math.nan
    targets = torch.tensor([[1.0, nan], [0.0, 1.0], [0.0, nan], [0.0, nan]])
    logits = torch.tensor([[0.3, 9.0], [-1.0, 2.0], [0.5, -9.0], [2.0, 0.0]])
    each = [math.log1p(math.exp(-x)) for x in (0.3, 1.0, -0.5, -2.0, 2.0)]
    assert fit._Loss(targets, 0.0)(logits, targets).item() == pytest.approx(sum(each) / 5)
    # One positive against three negatives: it weighs 3 ** 0.5; the other label has no negative.
    weighted = each[0] * math.sqrt(3) + sum(each[1:])
    assert fit._Loss(targets, 0.5)(logits, targets).item() == pytest.approx(weighted / 5)


def test_labels_that_nobody_annotated_are_not_learnt(tiny_bert):
    rows = [Row(r.text, "", (r.targets[0], *[None] * 4), r.group) for r in toy(40)]
    encoder = _create(str(tiny_bert), "frozen")
    last = encoder.net.head[-1]
    before = last.weight.detach().clone()
    how = FitSettings(epochs=1, head_lr=1e-3, **PLAIN)
    fit.fit(encoder, rows, how, lambda *_: None)
    moved = (last.weight - before).abs().amax(1)
    # Weight decay of at most 0.01 * 1e-3 per step touches the others, and nothing else does.
    steps = 10 * 5
    assert moved[0] > 10 * moved[1:].max()
    assert (moved[1:] <= steps * 1e-5 * before.abs().max() * 1.01).all()


@pytest.mark.parametrize("n", [1, 7, 100, 1000])
def test_batches_hold_every_text_once(n):
    rng = random.Random(0)
    texts = [("x" * rng.randrange(500), "y" * rng.randrange(50)) for _ in range(n)]
    found = list(batches(texts, 8, random.Random(1)))
    assert Counter(place for batch in found for place in batch) == Counter(range(n))
    assert max(map(len, found)) <= 8


def test_batches_are_of_about_one_length():
    rng = random.Random(0)
    texts = [("x" * rng.randrange(500), "") for _ in range(1000)]
    spread = [np.ptp([len(texts[i][0]) for i in batch]) for batch in batches(texts, 8, rng)]
    assert np.mean(spread) < 50  # eight at random spread over 389 of 500


ROW = Row("Who, in Town, pays?", "the topic", (1.0,), "g")


def _shown(n=2000, **settings):
    how, rng = FitSettings(**settings), random.Random(0)
    return Counter(fit._shown(ROW, how, rng) for _ in range(n))


def test_texts_are_shown_as_they_are():
    assert _shown(bare=0.0, worn=0.0) == {(ROW.text, "the topic"): 2000}
    assert _shown(bare=1.0, worn=0.0) == {(ROW.text, ""): 2000}


def test_worn_texts_keep_their_words():
    found = _shown(bare=0.0, worn=0.5)
    assert set(found) == {
        (text, "the topic")
        for text in (ROW.text, "who in town pays", "who, in town, pays?", "Who, in Town, pays")
    }
    for text, _ in found:
        assert re.findall(r"\w+", text.lower()) == ["who", "in", "town", "pays"]
    assert found[ROW.text, "the topic"] == pytest.approx(1000, abs=100)  # 4.5 deviations


def test_half_are_shown_bare():
    assert _shown(bare=0.5, worn=0.0)[ROW.text, ""] == pytest.approx(1000, abs=100)
