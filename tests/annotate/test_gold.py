import hashlib
import json

import numpy as np
import pytest
from helpers import write_lines

from annotate import gold, training
from annotate.labeller import Item, Label, Side, load
from annotate.labellers.stance_rules import CALIBRATION
from annotate.lines import label_lines, read_items
from sad import sample
from sad.build import folder
from sad.errors import DataError, LabelError
from sad.types import STRATEGY_LABELS, Span, Stance, Strategy

Q, C, E, A, S = Strategy
NAN = float("nan")


def _same(found, expected):
    np.testing.assert_array_equal(found, np.array(expected))  # NaN equals NaN


def test_targets_by_hand(tmp_path):
    path = write_lines(tmp_path / "set.jsonl", [
        {"id": "a", "text": "Why?", "strategies": ["Question", "Example"], "group": "g", "stance": 1},
        {"id": "b", "text": "x", "strategies": [], "labels_annotated": ["Causality", "Analogy"]},
        {"id": "c", "text": "y", "topic": "t", "context": "before", "stance": 0},
    ])  # fmt: skip
    found = gold.load(str(path))
    assert found.name == "set"
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.items == [Item("a", "Why?"), Item("b", "x"), Item("c", "y", "t", ("before",))]
    assert found.groups == ["g", "b", "t"]  # the tree, else the topic, else the text alone
    _same(found.strategies, [[1, 0, 1, 0, 0], [NAN, 0, NAN, 0, NAN], [NAN] * 5])
    _same(found.stance, [1, NAN, 0])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"id": "a", "text": "x"}, "expected strategies or a stance"),
        ({"id": 1, "text": "x", "strategies": []}, "line 2, id: expected a string"),
        ({"id": "a", "strategies": []}, "line 2, text: expected a string"),
        ({"id": "a", "text": "x", "strategies": ["Irony"]}, "line 2, strategies: expected a list of Question"),
        ({"id": "a", "text": "x", "strategies": "Question"}, "line 2, strategies: expected a list"),
        ({"id": "a", "text": "x", "strategies": ["Analogy"], "labels_annotated": ["Question"]},
         "Analogy is not in labels_annotated"),
        ({"id": "a", "text": "x", "stance": 2}, "line 2, stance: expected 0 or 1"),
        ({"id": "a", "text": "x", "stance": "support"}, "line 2, stance: expected 0 or 1"),
        ({"id": "a", "text": "x", "strategies": [], "topic": 3}, "line 2, topic: expected a string"),
        ({"id": "a", "text": "x", "strategies": [], "context": [3]}, "line 2, context: expected a list"),
    ],
)  # fmt: skip
def test_bad_line_is_told(tmp_path, line, told):
    path = write_lines(tmp_path / "g.jsonl", [{"id": "0", "text": "x", "strategies": []}, line])
    with pytest.raises(DataError, match=told):
        gold.load(str(path))


@pytest.mark.parametrize("text", ["{", "[1]", "3", '{"id": "a", "text": "' + "\xff", "[" * 100_000])
def test_damaged_line_is_told(tmp_path, text):
    path = tmp_path / "g.jsonl"
    path.write_bytes(text.encode("latin-1") + b"\n")
    with pytest.raises(DataError, match="line 1"):
        gold.load(str(path))


def test_missing_and_empty_files_are_told(tmp_path):
    with pytest.raises(DataError, match="none of: sample, own-topics, own-batches"):
        gold.load(str(tmp_path / "no.jsonl"))
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(DataError, match="holds no line"):
        gold.load(str(tmp_path / "empty.jsonl"))


def test_lines_without_an_id_are_named_by_their_number(tmp_path):
    rows = [{"text": "x", "stance": 1}, {"text": "y", "stance": 0, "id": "mine"}]
    found = gold.load(str(write_lines(tmp_path / "g.jsonl", rows)))
    assert [item.id for item in found.items] == ["line-1", "mine"]


def test_sample_knows_the_turn_before(built_sample):
    """Where the build kept the turn before, it is the context."""
    rows = folder.read(built_sample, "utterances")
    text = dict(rows.select("utterance_id", "text").iter_rows())
    parent = dict(rows.select("utterance_id", "parent_id").iter_rows())
    items = [item for item in gold.load("sample").items if item.id in text]
    assert len(items) == 421
    for item in items:
        before = parent[item.id]
        assert item.context == ((text[before],) if before else ())


def test_sample_is_grouped_by_thread():
    found, lines = gold.load("sample"), sample.gold()
    assert [item.text for item in found.items] == [line["text"] for line in lines]
    assert found.groups == [line["topic"] for line in lines]
    assert int(found.strategies.sum()) == sum(len(line["strategies"]) for line in lines)
    assert found.stance.tolist() == [line["stance"] for line in lines]


@pytest.mark.parametrize("name", ["own-topics", "own-batches"])
def test_own_gold_is_what_training_leaves_out(name):
    found = gold.load(name)
    kept = {s.id for s in training.load() if training.held_out(s) is None}
    held = {s.id: s for s in training.load() if training.held_out(s) == name.removeprefix("own-")}
    assert [item.id for item in found.items] == list(held)
    assert not kept & {*held}
    assert found.groups == [s.topic for s in held.values()]
    expected = [[s in one.strategies for s in Strategy] for one in held.values()]
    _same(found.strategies, np.array(expected, float))
    assert not any(np.isfinite(found.stance))  # a sentence alone has no stance


def test_gold_as_votes():
    labeller = load("gold")
    line = next(line for line in sample.gold() if line["strategies"] == ["Causality", "Statement"])
    (label,) = labeller.label([Item(line["id"], line["text"])])
    end = len(line["text"])
    assert label == Label(C | S, (0.0, 1.0, 0.0, 0.0, 1.0), (Span(C, 0, end), Span(S, 0, end)))
    assert (labeller.source, labeller.kind, labeller.name) == ("gold", "strategies", "gold-sample")


def test_gold_of_stances():
    labeller = load("gold", ["kind=stance"])
    lines = sample.gold()
    found = list(labeller.label([Item(line["id"], line["text"]) for line in lines]))
    assert found == [Side(Stance(line["stance"]), float(line["stance"])) for line in lines]
    # Votes on both may lie in one folder, so they need two names.
    assert labeller.name == "gold-sample-stance"


def test_edited_gold_is_another_model(tmp_path):
    path, models = tmp_path / "g.jsonl", []
    for label in ("Question", "Causality", "Question"):
        write_lines(path, [{"id": "a", "text": "Why?", "strategies": [label]}])
        models.append(load("gold", [f"gold={path}"]).model)
    assert models[0] == models[2] != models[1]
    assert gold.load(str(path)).digest.startswith(models[0]) and len(models[0]) == 16


def test_gold_knows_no_other_text(tmp_path):
    rows = [
        {"id": "a", "text": "x", "strategies": ["Statement"]},
        {"id": "b", "text": "y", "strategies": [], "labels_annotated": ["Question"]},
    ]
    path = write_lines(tmp_path / "g.jsonl", rows)
    labeller = load("gold", [f"gold={path}"])
    assert [x.strategies for x in labeller.label([Item("a", "x"), Item("z", " ")])] == [
        S,
        Strategy(0),
    ]
    for item, told in (
        (Item("a", "changed"), "a: has another text there"),
        (Item("b", "y"), "b: is not wholly annotated there"),
        (Item("z", "y"), "z: is not wholly annotated there"),
    ):
        with pytest.raises(LabelError, match=told):
            list(labeller.label([item]))


def test_lines_are_labelled_in_order(tmp_path):
    lines = sample.gold()[:30]
    source = write_lines(tmp_path / "in.jsonl", [{"id": x["id"], "text": x["text"]} for x in lines])
    seen = []
    n = label_lines(source, tmp_path / "out.jsonl", load("gold"), on_progress=seen.append)
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert n == len(found) == seen[-1] == 30
    for line, label in zip(lines, found, strict=True):
        whole = {"start": 0, "end": len(line["text"])}
        assert label == {
            "id": line["id"],
            "strategies": line["strategies"],
            "scores": {name: float(name in line["strategies"]) for name in STRATEGY_LABELS},
            "spans": [{"label": name, **whole} for name in line["strategies"]],
        }


def test_stances_of_lines(tmp_path):
    rows = [{"id": "a", "text": "I think so.", "topic": "T"}, {"id": "b", "text": "No topic."}]
    source = write_lines(tmp_path / "in.jsonl", rows)
    label_lines(source, tmp_path / "out.jsonl", load("stance_rules"))
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert found == [
        {"id": "a", "stance": 1, "support": round(CALIBRATION["first"], 4)}, {"id": "b", "stance": None, "support": 0.5}
    ]  # fmt: skip


def test_a_refused_line_leaves_no_output(tmp_path):
    source = write_lines(tmp_path / "in.jsonl", [{"id": "a", "text": "x"}, {"id": "b"}])
    with pytest.raises(DataError, match="line 2, text"):
        label_lines(source, tmp_path / "out.jsonl", load("stance_rules"))
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_lone_surrogates_keep_their_place(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"id": "a", "text": "x\\ud800y", "context": ["\\udfff", "ok"]}\n')
    assert list(read_items(path)) == [Item("a", "x?y", "", ("?", "ok"))]


def test_a_part_of_a_gold_set_is_drawn_by_a_fixed_seed_and_known_as_a_part():
    whole = gold.load("sample")
    part = whole.some(50)
    places = [whole.items.index(item) for item in part.items]
    assert len(part.items) == 50 and part.of == len(whole.items) and places == sorted(places)
    assert places != list(range(50))  # not the first ones
    assert part.groups == [whole.groups[i] for i in places]
    np.testing.assert_array_equal(part.strategies, whole.strategies[places])
    assert whole.some(50).items == part.items
    assert whole.some(10**6) is whole
