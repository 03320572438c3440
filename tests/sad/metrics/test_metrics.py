import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU
from sklearn import metrics as sk
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_kappa

from sad.metrics import multilabel, overlap
from sad.metrics.agreement import fleiss_kappa
from sad.metrics.intervals import bootstrap

RNG = np.random.default_rng(5)
GOLD = RNG.integers(0, 2, (60, 5))
PREDICTED = np.where(RNG.random((60, 5)) < 0.3, 1 - GOLD, GOLD)
COUNTS = multilabel.counts(GOLD, PREDICTED).sum(axis=0)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (multilabel.micro_f1, lambda: sk.f1_score(GOLD, PREDICTED, average="micro")),
        (multilabel.macro_f1, lambda: sk.f1_score(GOLD, PREDICTED, average="macro")),
        (multilabel.precision, lambda: sk.precision_score(GOLD, PREDICTED, average="micro")),
        (multilabel.recall, lambda: sk.recall_score(GOLD, PREDICTED, average="micro")),
        (multilabel.f1_per_label, lambda: sk.f1_score(GOLD, PREDICTED, average=None)),
    ],
)
def test_multilabel_equals_scikit_learn(ours, theirs):
    assert ours(COUNTS) == pytest.approx(theirs(), abs=1e-12)


def test_jaccard_equals_scikit_learn():
    assert multilabel.jaccard(GOLD, PREDICTED).mean() == pytest.approx(
        sk.jaccard_score(GOLD, PREDICTED, average="samples", zero_division=1), abs=1e-12
    )


@pytest.mark.parametrize("seed", range(5))
def test_binary_equals_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    gold, predicted = rng.integers(0, 2, (2, 40))
    summed = multilabel.confusion(gold, predicted).sum(axis=0)
    assert multilabel.accuracy(summed) == pytest.approx(sk.accuracy_score(gold, predicted))
    assert multilabel.mcc(summed) == pytest.approx(sk.matthews_corrcoef(gold, predicted))
    assert multilabel.binary_macro_f1(summed) == pytest.approx(
        sk.f1_score(gold, predicted, average="macro")
    )


@pytest.mark.parametrize("predicted", [0, 1])
def test_one_sided_answers_have_no_correlation(predicted):
    summed = multilabel.confusion([0, 1, 1], [predicted] * 3).sum(axis=0)
    assert multilabel.mcc(summed) == 0


def test_nothing_positive_scores_zero():
    assert multilabel.micro_f1(multilabel.counts([[0] * 5], [[0] * 5]).sum(axis=0)) == 0


PAIRS = [
    ("the cat sat on the mat .", "the cat is on the mat ."),
    ("Trade-offs matter; don't they?", "They don't, but trade-offs matter to all of us here!"),
    ("a b c d e f g h", "a b c x e f g h i j"),
    ("", "nothing was said"),
    ("short", "a much longer reference than that"),
]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("pairs", [PAIRS, PAIRS[:1], PAIRS[3:4], PAIRS[4:], PAIRS[::-1] * 3])
def test_bleu_equals_sacrebleu(order, pairs):
    summed = sum(overlap.bleu_counts(h, r) for h, r in pairs)
    theirs = BLEU(max_ngram_order=order).corpus_score(
        [h for h, _ in pairs], [[r for _, r in pairs]]
    )
    assert overlap.bleu(summed, order) == pytest.approx(theirs.score, abs=1e-9)


def test_bleu_of_many_sums_at_once_equals_one_by_one():
    table = np.array([overlap.bleu_counts(h, r) for h, r in PAIRS])
    together = overlap.bleu(table, 4)
    assert together.tolist() == [float(overlap.bleu(row, 4)) for row in table]


def test_identical_texts_score_the_most():
    text = "one two three four five"
    assert overlap.bleu(overlap.bleu_counts(text, text), 4) == pytest.approx(100)
    assert set(overlap.rouge(text, text).values()) == {100.0}


def test_rouge_is_that_of_the_package():
    theirs = RougeScorer(["rougeL"], use_stemmer=True).score(PAIRS[1][1], PAIRS[1][0])
    assert overlap.rouge(*PAIRS[1])["rougeL"] == 100 * theirs["rougeL"].fmeasure


def test_distinct_by_hand():
    texts = [["a", "b", "a"], ["b", "c"]]
    assert overlap.distinct(texts, 1) == 3 / 5
    assert overlap.distinct(texts, 2) == 3 / 3
    assert overlap.distinct([[]], 1) == 0


def test_copied_by_hand():
    # five 4-grams, of which "a b c d" and "b c d e" stand in the source
    assert overlap.copied("a b c d e f g h", ["x a b c d e x"]) == (2, 5)
    assert overlap.copied("a b", ["a b"]) == (0, 0)


TEXTBOOK = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def test_fleiss_of_the_textbook():
    assert fleiss_kappa(TEXTBOOK) == pytest.approx(0.20993, abs=5e-6)
    assert fleiss_kappa(TEXTBOOK) == pytest.approx(statsmodels_kappa(TEXTBOOK), abs=1e-12)


def test_fleiss_of_full_agreement_is_one():
    assert fleiss_kappa([[5, 0], [5, 0]]) == 1.0
    assert fleiss_kappa([[5, 0], [0, 5]]) == 1.0


@pytest.mark.parametrize("table", [[[1, 1], [2, 1]], [[1, 0]], []])
def test_fleiss_needs_equal_numbers_of_raters(table):
    with pytest.raises(ValueError, match="same number of raters"):
        fleiss_kappa(np.array(table, float).reshape(len(table), 2))


def _mean(summed):
    return multilabel.ratio(summed[..., 0], summed[..., 1])


def _rows(values):
    return [[v, 1] for v in values]


def test_interval_of_a_mean_has_the_width_of_theory():
    values = np.random.default_rng(0).normal(0, 1, 400)
    found = bootstrap(_rows(values), range(400), _mean, resamples=20_000)
    assert found.value == pytest.approx(values.mean())
    half = 1.96 * values.std() / 20
    assert found.low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_repeating_items_within_their_tree_narrows_nothing():
    values = np.random.default_rng(0).normal(0, 1, 50)
    once = bootstrap(_rows(values), range(50), _mean)
    often = bootstrap(_rows(np.repeat(values, 9)), np.repeat(range(50), 9), _mean)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    naive = bootstrap(_rows(np.repeat(values, 9)), range(450), _mean)
    assert naive.high - naive.low < (often.high - often.low) / 2


def test_order_of_the_items_changes_nothing():
    values, trees = [1.0, 2.0, 5.0, 9.0], ["a", "b", "b", "c"]
    one = bootstrap(_rows(values), trees, _mean)
    assert one == bootstrap(_rows(values[::-1]), trees[::-1], _mean)


def test_one_tree_has_no_interval():
    found = bootstrap(_rows([1, 2]), ["a", "a"], _mean)
    assert (found.value, found.low, found.high, found.n_trees) == (1.5, None, None, 1)
