import random
import time

import pytest

from annotate.sentences import paragraphs, split

HARD_PER_SIGN = 1e-4
"""Seconds: ten times what a slow processor takes. What takes quadratic time takes a hundred."""


def _sentences(text):
    (places,) = split([text])
    return [text[start:end] for start, end in places]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ("One", ["One"]),
        ("  One.  \n\n\tTwo. ", ["One.", "Two."]),
        ("No stop\nat a line's end", ["No stop", "at a line's end"]),
        ("He paid $4.50 at 3 p.m. sharp.", ["He paid $4.50 at 3 p.m. sharp."]),
        ("\U0001f600\U0001f600 Yes. No.", ["\U0001f600\U0001f600 Yes.", "No."]),
        ("... !!! ???", []),
        ("No\ud800. \udfffYes.", ["No\ud800.", "\udfffYes."]),
        ('He left. "Why?" she asked.', ["He left.", '"Why?"', "she asked."]),
        ("He left. (Nobody saw it.) I did.", ["He left.", "(Nobody saw it.)", "I did."]),
        ("\U0001f600", []),
        ("", []),
        (" \n \t", []),
        ("Well.\r\nOk.", ["Well.", "Ok."]),
        ("see https://a.org/b.c?d=e now. Yes.", ["see https://a.org/b.c?d=e now.", "Yes."]),
        ("See " + "https://a.org/" + "b.c?" * 60 + "d now. Yes.",
         ["See " + "https://a.org/" + "b.c?" * 60 + "d now.", "Yes."]),
        ("Stop" + "!" * 40 + " Go.", ["Stop" + "!" * 8, "Go."]),
    ],
)  # fmt: skip
def test_sentences_by_hand(text, expected):
    assert _sentences(text) == expected


def test_one_list_per_text_in_order():
    texts = ["", "One. Two.", "\n\n", "...", "c", ""]
    assert list(split(texts)) == [[], [(0, 4), (5, 9)], [], [], [(0, 1)], []]
    assert list(split([])) == []
    assert [len(x) for x in paragraphs(texts)] == [0, 1, 0, 1, 1, 0]


PIECES = [
    "Yes", "no", "p.m.", "3.5", "\u00e9t\u00e9", "e\u0301", "\U0001f600", "\u4e2d\u6587", "https://a.b/c?d=1",
    ".", "?", "!", "...", ",", ";", "'s", "\"", "(", ")", "_", "*", "-" * 20, "!" * 40, "a.b!" * 60,
    " ", "  ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u2028", "\u200d", "\x00", "\x1c", "&gt;",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_places_are_exact_and_lose_nothing(seed):
    rng = random.Random(seed)
    texts = ["".join(rng.choices(PIECES, k=rng.randrange(40))) for _ in range(60)]
    for text, places in zip(texts, split(texts), strict=True):
        end = 0
        outside = ""
        for start, stop in places:
            assert end <= start < stop <= len(text)
            sentence = text[start:stop]
            assert sentence == sentence.strip() and any(map(str.isalnum, sentence))
            assert "\n" not in sentence
            outside += text[end:start]
            end = stop
        assert not any(map(str.isalnum, outside + text[end:]))


def test_places_do_not_depend_on_the_neighbours():
    rng = random.Random(9)
    texts = ["".join(rng.choices(PIECES, k=rng.randrange(40))) for _ in range(60)]
    assert [next(split([text])) for text in texts] == list(split(texts))


def test_sentences_of_more_paragraphs_than_a_batch():
    text = "\n".join(f"Number {n}. Next." for n in range(700))
    assert len(_sentences(text)) == 1400


@pytest.mark.parametrize("unit", ["One. ", "No! ", "A b c? ", "(Yes.) "])
def test_many_sentences_of_a_line_are_fast(unit):
    text = unit * 4000
    begin = time.process_time()
    assert len(_sentences(text)) == 4000
    assert time.process_time() - begin < HARD_PER_SIGN * len(text)


@pytest.mark.parametrize(
    "unit",
    [".", "!?", "'", '"', "_", "__a__.", "_.", "'s", "n't", "a'", "(", "((((((((a", "." * 15 + "a", "a.",
     ".a ", "-", "a-", "/", "http://a.b/", "www.", "@", ":) ", "5%", "\u200d", "\U0001f600", "a\u0301", "\u4e2d\u3002",
     "\n", " \n", "**a**", "'s" * 60 + " ", "_" * 120 + " ", "x", ")]", "1\u00bb", "#\u300209`"],
)  # fmt: skip
def test_hostile_runs_are_fast(unit):
    next(split(["warm"]))
    text = (unit * 20_000)[:20_000]
    begin = time.process_time()
    places = next(split([text]))
    assert time.process_time() - begin < HARD_PER_SIGN * len(text)
    assert all(0 <= start < end <= len(text) for start, end in places)
