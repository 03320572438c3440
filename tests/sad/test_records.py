import pytest

from sad import importers, records, sample
from sad.build import folder
from sad.errors import DataError
from sad.types import Stance, Strategy


def test_utterances_are_the_gold_that_was_joined(gold_sample):
    gold = {record["id"]: record for record in sample.gold()}
    found = list(records.utterances(gold_sample))
    assert len(found) == 421
    for utterance in found:
        expected = gold[utterance.utterance_id]
        assert utterance.text == expected["text"]
        assert utterance.stance == Stance(expected["stance"])
        assert utterance.strategies == Strategy.from_labels(expected["strategies"])
        spans = [(s.label.label, s.start, s.end) for s in utterance.spans]
        assert spans == [(s["label"], s["start"], s["end"]) for s in expected["spans"]]


def test_examples_follow_their_dialogues(gold_sample):
    texts = {u.utterance_id: u for u in records.utterances(gold_sample)}
    dialogues = {d.dialogue_id: d for d in records.dialogues(gold_sample)}
    for example in records.examples(gold_sample):
        turns = [texts[name] for name in dialogues[example.dialogue_id].utterance_ids]
        assert [t.text for t in turns] == [*(h.text for h in example.history), example.target]
        assert [t.stance for t in turns[:-1]] == [h.stance for h in example.history]
        assert turns[-1].strategies == example.target_strategies


def test_unlabelled_utterances_have_the_empty_set(built_sample):
    assert {u.strategies for u in records.utterances(built_sample)} == {Strategy(0)}
    with pytest.raises(DataError, match="label the folder first"):
        list(records.examples(built_sample))


def test_splits_are_disjoint_and_complete(gold_sample):
    by_split = {
        s: {d.dialogue_id for d in records.dialogues(gold_sample, s)}
        for s in ("train", "validation", "test")
    }
    assert sum(map(len, by_split.values())) == len(set().union(*by_split.values())) == 105


def test_threads_of_the_real_tree(real_data, tmp_path):
    importers.run(
        "tree", real_data / "cmv-trees-naslab" / "cmv-conversation-example.json", tmp_path / "t"
    )
    (thread,) = records.threads(tmp_path / "t")
    assert thread.submission.id == "4rl42j"
    assert len(thread.comments) == 129
    assert {c.link_id for c in thread.comments} == {"t3_4rl42j"}


def test_columns_of_the_tables_are_documented_types(gold_sample):
    for name, schema in folder.TABLES.items():
        assert dict(folder.read(gold_sample, name).schema) == schema
