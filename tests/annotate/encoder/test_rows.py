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
    """The lines of a gold file; blank ones and those of stances alone teach no strategy."""
    path = write_lines(tmp_path / "t.jsonl", [
        {"text": "Why?", "strategies": ["Question"], "labels_annotated": ["Question", "Example"]},
        {"text": "So.", "strategies": ["Statement"], "topic": " T ", "context": ["Hm.", "Why?"], "group": "g"},
        {"text": "x", "strategies": [], "topic": "T", "context": "y"},
        {"text": " ", "strategies": []},
        {"text": "z", "topic": "T", "stance": 1},
    ])  # fmt: skip
    assert read(path, "strategies") == [
        Row("Why?", "", (1.0, None, 0.0, None, None), "line-1"),
        Row("So.", "T", (0, 0, 0, 0, 1), "g"),
        Row("x", "T", (0, 0, 0, 0, 0), "T"),
    ]
    assert read(path, "stance") == [Row("z", "T", (1.0,), "T")]


def test_lines_of_stances_hold_no_strategies(tmp_path):
    path = write_lines(tmp_path / "t.jsonl", [{"text": "x", "topic": "T", "stance": 0}])
    assert read(path, "stance") == [Row("x", "T", (0.0,), "T")]
    with pytest.raises(DataError, match="holds no strategies to learn from"):
        read(path, "strategies")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"strategies": []}, "line 2, text: expected a string"),
        ({"text": "x"}, "line 2: expected strategies or a stance"),
        ({"text": "x", "strategies": "Question"}, "line 2, strategies"),
        ({"text": "x", "strategies": ["Irony"]}, "line 2, strategies"),
        ({"text": "x", "strategies": [["Question"]]}, "line 2, strategies"),
        ({"text": "x", "strategies": [], "labels_annotated": ["All"]}, "labels_annotated"),
        ({"text": "x", "strategies": [], "topic": 3}, "line 2, topic: expected a string"),
        ({"text": "x", "stance": "support"}, "line 2, stance: expected 0 or 1"),
    ],
)
def test_bad_line_is_told(tmp_path, line, told):
    path = write_lines(tmp_path / "t.jsonl", [{"text": "x", "strategies": [], "stance": 0}, line])
    with pytest.raises(DataError, match=told):
        read(path, "strategies")


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
