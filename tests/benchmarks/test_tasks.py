import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from sacrebleu.metrics import BLEU

from benchmarks import data, prompts, scoring
from benchmarks.runner import TASKS
from sad.build import folder
from sad.errors import DataError, SettingsError
from sad.types import STRATEGY_LABELS

GOLDENS = Path(__file__).parents[1] / "goldens"

DOC = {
    "id": "x",
    "thread_id": "t3_p",
    "topic": "Towns should close\ntheir centre",
    "history": [
        {
            "stance": 1,
            "text": "I run a bakery.\n\n# Topic\nnot a heading",
            "strategies": ["Statement"],
        },
        {"stance": 0, "text": "Who pays?", "strategies": ["Question"]},
    ],
    "target_stance": 1,
    "target_strategies": ["Causality", "Example"],
    "target": "My neighbour pays.",
    "split": "test",
}
UTTERANCE = {"id": "u", "topic": "T", "context": "before", "text": "Who\npays?", "stance": 0,
             "strategies": ["Question", "Statement"]}  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "doc"),
    [
        ("paper_nostrat", DOC),
        ("strat_v1", DOC),
        ("stance_v1", UTTERANCE),
        ("strategy_v1", UTTERANCE),
    ],
)
def test_prompt_layout(prompt, doc):
    assert getattr(prompts, prompt)(doc) == (GOLDENS / f"{prompt}.txt").read_text()


def test_prompts_do_not_hold_the_answer():
    for prompt in (prompts.paper_nostrat, prompts.strat_v1):
        assert DOC["target"] not in prompt(DOC)
    assert "support the topic" not in prompts.paper_nostrat(DOC)


def test_history_is_kept_from_the_newest_turn_backwards(monkeypatch):
    monkeypatch.setattr(prompts, "HISTORY_WORDS", 5)
    turns = [{"stance": 0, "text": text} for text in ("a b c", "d e", "f g h")]
    kept, cut = prompts.kept_history({"history": turns})
    assert [turn["text"] for turn in kept] == ["d e", "f g h"]
    assert cut
    kept, cut = prompts.kept_history({"history": turns[1:]})
    assert len(kept) == 2
    assert not cut
    kept, cut = prompts.kept_history({"history": [{"stance": 0, "text": "a b c d e f g"}]})
    assert ([turn["text"] for turn in kept], cut) == (["c d e f g"], True)
    assert prompts.kept_history({"history": []}) == ([], False)


def test_choices_and_targets_fit():
    choices = prompts.strategy_choices({})
    chosen = [choices[i] for i in prompts.strategy_target(UTTERANCE)]
    assert chosen == [f"{name}: {'yes' if name in UTTERANCE['strategies'] else 'no'}"
                      for name in STRATEGY_LABELS]  # fmt: skip
    assert prompts.stance_choices({})[UTTERANCE["stance"]] == "oppose"


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def _tasks():
    found = [yaml.load(p.read_text(), _Loader) for p in sorted(TASKS.glob("*.yaml"))]  # noqa: S506
    return [task for task in found if "task" in task and isinstance(task["task"], str)]


@pytest.mark.parametrize("task", _tasks(), ids=lambda task: task["task"])
def test_task_file(task):
    from benchmarks.tasks import shim

    for value in [*task.values(), *(m["aggregation"] for m in task["metric_list"])]:
        if isinstance(value, str) and value.startswith("shim."):
            assert callable(getattr(shim, value.removeprefix("shim.")))
    assert task["metadata"]["prompt"] == task["doc_to_text"].removeprefix("shim.")
    assert {m["metric"] for m in task["metric_list"]} <= set(scoring.METRICS)
    group = yaml.safe_load((TASKS / "sad.yaml").read_text())
    assert task["task"] in group["task"]


def _generation_rows(replies):
    docs = [DOC | {"target": target} for _, target in replies]
    return [scoring.controlled_generation(d, [r]) for d, (r, _) in zip(docs, replies, strict=True)]


REPLIES = [
    ("My neighbour pays because he likes bread.", "My neighbour pays."),
    ("Who pays? Nobody in this town ever pays.", "Nobody pays in this town."),
    ("", "An answer."),
]


def test_rows_of_every_metric_of_the_yaml_and_no_other():
    rows = _generation_rows(REPLIES)[0]
    by_task = {task["task"]: {m["metric"] for m in task["metric_list"]} for task in _tasks()}
    assert set(rows) == by_task["sad_gen_strategy"]
    assert set(scoring.generation(DOC, ["x"])) == by_task["sad_gen"]
    assert set(scoring.stance(UTTERANCE, [(0.0, True)] * 2)) == by_task["sad_stance_cls"]
    assert set(scoring.strategies(UTTERANCE, [(0.0, True)] * 10)) == by_task["sad_strategy_cls"]


def test_corpus_bleu_of_the_task_is_that_of_sacrebleu():
    rows = _generation_rows(REPLIES)
    theirs = BLEU().corpus_score([r for r, _ in REPLIES], [[t for _, t in REPLIES]])
    assert scoring.METRICS["bleu_4"]([row["bleu_4"] for row in rows]) == pytest.approx(theirs.score)


def test_control_by_hand():
    rows = _generation_rows(REPLIES[:1])[0]
    # asked: Causality, Example. The reply: "My neighbour ... because ..." has exactly both.
    assert rows["control_exact"] == [1, 1]
    assert scoring.METRICS["control_f1"]([rows["control_f1"]]) == 1
    # the reference "My neighbour pays." has only the Example: precision 1, recall 1/2
    assert scoring.METRICS["ceiling_f1"]([rows["ceiling_f1"]]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("written", "reply"),
    [("support: yes", "yes"), (" Oppose:no", "no"), ("I support: yes", "I support: yes"), ("", "")],
)
def test_stance_word_before_a_reply_is_no_part_of_it(written, reply):
    assert scoring.reply(written) == reply
    assert scoring.generation(DOC, [written])["empty"] == [int(not reply), 1]


def test_stance_takes_the_likelier_answer():
    right = scoring.stance(UTTERANCE, [(-1.0, True), (-2.0, False)])
    wrong = scoring.stance(UTTERANCE, [(-2.0, False), (-1.0, True)])
    assert scoring.METRICS["acc"]([right["acc"]] * 3 + [wrong["acc"]]) == 0.75


def test_strategies_are_five_decisions():
    likelihoods = {"Question": (-1, -2), "Causality": (-3, -2), "Example": (-1, -1),
                   "Analogy": (-1, -2), "Statement": (-5, -1)}  # fmt: skip
    results = [(float(x), False) for pair in likelihoods.values() for x in pair]
    rows = scoring.strategies(UTTERANCE, results)
    # said: Question, Analogy (a tie is a no); gold: Question, Statement
    assert rows["hamming"] == [2, 5]
    assert rows["ties"] == [1, 5]
    assert rows["jaccard"] == [1 / 3, 1]
    assert scoring.METRICS["label_micro_f1"]([rows["label_micro_f1"]]) == 0.5


def test_intervals_are_over_trees():
    rows = [[1, 1], [1, 1], [0, 1], [0, 1]]
    metric = scoring.METRICS["control_exact"]
    spread = metric.interval(rows, ["a", "a", "b", "b"])
    assert (spread.value, spread.low, spread.high, spread.n, spread.n_trees) == (0.5, 0, 1, 4, 2)
    alone = metric.interval(rows, ["a"] * 4)
    assert (alone.low, alone.high) == (None, None)
    assert scoring.METRICS["distinct_1"].interval([["a"], ["a"]], ["a", "b"]).low is None


def test_dialogue_documents(gold_sample):
    docs = data.dialogue_docs(gold_sample, "test")
    assert len(docs) == 35
    examples = folder.read(gold_sample, "examples", "test")
    assert {d["id"] for d in docs} == set(examples["dialogue_id"])
    assert [d["thread_id"] for d in docs] != sorted(d["thread_id"] for d in docs)
    assert docs == data.dialogue_docs(gold_sample, "test")


def test_utterance_documents_are_distinct_and_of_their_split(gold_sample):
    docs = data.utterance_docs(gold_sample, "test")
    dialogues = folder.read(gold_sample, "dialogues", "test")
    assert len(docs) == dialogues["utterance_ids"].explode().n_unique()
    by_id = {d["id"]: d for d in docs}
    table = folder.read(gold_sample, "utterances")
    for name, parent, text in table.select("utterance_id", "parent_id", "text").iter_rows():
        if name in by_id:
            assert by_id[name]["text"] == text
            assert (by_id[name]["context"] is None) == (parent is None)


def test_posts_are_no_stance_documents(gold_sample):
    loaded = data.replies(data=str(gold_sample), split="test", version=1, pretrained="ignored")
    assert all(context for context in loaded["test"]["context"])


def test_split_is_the_test_split_unless_that_is_empty(gold_sample, tmp_path):
    assert data.chosen_split(gold_sample, "auto") == "test"
    assert data.chosen_split(gold_sample, "train") == "train"
    shutil.copytree(gold_sample, tmp_path / "b")
    path = folder.shard(tmp_path / "b", "dialogues", "test", 0, 1)
    pl.read_parquet(path).clear().write_parquet(path)
    assert data.chosen_split(tmp_path / "b", "auto") == "train"
    with pytest.raises(DataError, match="no dialogue in split 'test'"):
        data.chosen_split(tmp_path / "b", "test")
    with pytest.raises(SettingsError, match="no split 'dev'"):
        data.chosen_split(gold_sample, "dev")


def test_numbers_are_plain_for_json():
    for row in _generation_rows(REPLIES)[0].values():
        assert not any(isinstance(value, np.generic) for value in row)
