import numpy as np
import pytest
from helpers import write_lines

from annotate.encoder.rows import Row, divided, matrix, of_training, read, stances_of_training
from annotate.training import Sentence
from sad.errors import DataError
from sad.types import Stance, Strategy

Q, C, E, A, S = Strategy


def _sentence(name, utterance, text, found=S, stance=None):
    return Sentence(name, utterance, "01", "Bells", "forum", stance, found, text)


SENTENCES = [
    _sentence("1", "1", "Who?", Q, Stance.SUPPORT), _sentence("2", "1", "I do.", S, Stance.SUPPORT),
    _sentence("3", "3", "Like tea.", A | E, Stance.OPPOSE), _sentence("4", "4", "Hm."),
]  # fmt: skip


def test_rows_of_sentences_know_the_one_before():
    assert of_training(SENTENCES) == [
        Row("Who?", "Bells", (1, 0, 0, 0, 0), "Bells"),
        Row("I do.", "Bells Who?", (0, 0, 0, 0, 1), "Bells"),
        Row("Like tea.", "Bells", (0, 0, 1, 1, 0), "Bells"),
        Row("Hm.", "Bells", (0, 0, 0, 0, 1), "Bells"),
    ]


def test_rows_of_stances_are_whole_utterances_that_take_a_side():
    assert stances_of_training(SENTENCES) == [
        Row("Who? I do.", "Bells", (1,), "Bells"), Row("Like tea.", "Bells", (0,), "Bells")
    ]  # fmt: skip


def test_lines_of_strategies(tmp_path):
    path = write_lines(tmp_path / "t.jsonl", [
        {"text": "Why?", "strategies": ["Question"], "labels_annotated": ["Question", "Example"]},
        {"text": "So.", "strategies": ["Statement"], "topic": " T ", "context": "Why?", "group": "g"},
        {"text": "x", "strategies": [], "topic": "T"},
    ])  # fmt: skip
    assert read(path, "strategies") == [
        Row("Why?", "", (1.0, None, 0.0, None, None), "Why?"),
        Row("So.", "T Why?", (0, 0, 0, 0, 1), "g"),
        Row("x", "T", (0, 0, 0, 0, 0), "T"),
    ]


def test_lines_of_stances(tmp_path):
    path = write_lines(tmp_path / "t.jsonl", [{"text": "x", "topic": "T", "stance": 1}])
    assert read(path, "stance") == [Row("x", "T", (1.0,), "T")]


@pytest.mark.parametrize(
    ("kind", "line", "told"),
    [
        ("strategies", {"strategies": []}, "line 2: expected"),
        ("strategies", {"text": 3, "strategies": []}, "line 2: expected"),
        ("strategies", {"text": "x"}, "line 2, strategies: expected labels"),
        ("strategies", {"text": "x", "strategies": "Question"}, "line 2, strategies"),
        ("strategies", {"text": "x", "strategies": ""}, "line 2, strategies"),
        ("strategies", {"text": "x", "strategies": ["Irony"]}, "line 2, strategies"),
        ("strategies", {"text": "x", "strategies": [["Question"]]}, "line 2, strategies"),
        ("strategies", {"text": "x", "strategies": [], "labels_annotated": ["All"]}, "labels_annotated"),
        ("strategies", {"text": "x", "strategies": [], "context": ["a"]}, "line 2, context: expected a string"),
        ("strategies", {"text": "x", "strategies": [], "topic": 3}, "line 2, topic: expected a string"),
        ("strategies", {"text": "x", "strategies": [], "group": 3}, "line 2, group: expected a string"),
        ("stance", {"text": "x", "topic": "T"}, "line 2, stance: expected 0 or 1"),
        ("stance", {"text": "x", "topic": "T", "stance": "support"}, "line 2, stance"),
    ],
)  # fmt: skip
def test_bad_line_is_told(tmp_path, kind, line, told):
    good = {"text": "x", "strategies": [], "stance": 0}
    path = write_lines(tmp_path / "t.jsonl", [good, line])
    with pytest.raises(DataError, match=told):
        read(path, kind)


@pytest.mark.parametrize("text", ["{", "[]", "null", "[" * 100_000])
def test_damaged_line_is_told(tmp_path, text):
    path = tmp_path / "t.jsonl"
    path.write_text("\n" + text)
    with pytest.raises(DataError, match="line 2"):
        read(path, "strategies")


def test_empty_file_is_told(tmp_path):
    (tmp_path / "t.jsonl").write_text("\n")
    with pytest.raises(DataError, match="no line to learn from"):
        read(tmp_path / "t.jsonl", "strategies")


def test_matrix_marks_what_is_not_annotated():
    rows = [Row("x", "", (1.0, None), "g"), Row("y", "", (0.0, 1.0), "g")]
    np.testing.assert_array_equal(matrix(rows), np.array([[1, np.nan], [0, 1]], np.float32))


def _rows(groups, each):
    return [Row(f"{g} {i}", "", (0.0,), f"g{g}") for i in range(each) for g in range(groups)]


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_whole(seed):
    rows = _rows(200, 3)
    learn, check = divided(rows, 0.2, seed)
    assert not {row.group for row in learn} & {row.group for row in check}
    assert sorted(learn + check, key=rows.index) == rows
    assert [*learn] == [row for row in rows if row in set(learn)]  # in order
    # 0.2 of 200 groups by a hash: within four standard deviations of a binomial.
    assert abs(len(check) / 3 - 40) < 4 * (200 * 0.2 * 0.8) ** 0.5


def test_division_depends_on_group_and_seed_alone():
    rows = _rows(50, 2)
    _, check = divided(rows, 0.3, 1)
    assert set(divided(rows[::-1], 0.3, 1)[1]) == set(check)
    assert set(divided(rows[:40], 0.3, 1)[1]) == set(check) & set(rows[:40])
    assert set(divided(rows, 0.3, 2)[1]) != set(check)
