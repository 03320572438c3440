import json

import numpy as np
import pytest
from helpers import write_lines
from sklearn import metrics
from toy_texts import toy

from annotate import guideline
from annotate.encoder import net
from annotate.encoder.decide import NEVER, Decision, expected_calibration_error
from annotate.encoder.train import TrainSettings, measure, train
from annotate.labeller import Item, Side, load
from sad.errors import DataError, ModelError, SettingsError
from sad.files import sha256
from sad.types import STRATEGY_LABELS, Stance

FAST = {"epochs": 25, "head_lr": 1e-2, "bare": 1.0, "worn": 0.0, "dropout": 0.0, "batch_size": 8}


def _settings(data, backbone, **more):
    values = {"data": str(data), "backbone": str(backbone), "validation": 0.3, "fit": FAST}
    return TrainSettings.parse(values | more)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Separable texts of 20 groups."""
    path = tmp_path_factory.mktemp("data") / "toy.jsonl"
    return write_lines(path, [
        {"text": row.text, "group": row.group,
         "strategies": [n for n, t in zip(STRATEGY_LABELS, row.targets, strict=True) if t]}
        for row in toy(160)
    ])  # fmt: skip


@pytest.fixture(scope="module")
def trained(data, tiny_bert, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "encoder"
    settings = _settings(data, tiny_bert, mode="full", fit=FAST | {"lr": 2e-3, "head_lr": 5e-3})
    return settings, out, train(settings, out)


def test_record_says_what_was_done(trained, data):
    settings, out, record = trained
    kept = json.loads((out / net.RECORD).read_text())
    assert kept.pop("shape")["labels"] == list(STRATEGY_LABELS)
    assert kept == record
    assert record["settings"] == settings.dump()
    assert record["data_sha256"] == sha256(data)
    assert record["guideline_version"] == guideline.load().version
    assert record["texts"]["learnt"] + record["texts"]["validation"] == 160
    assert set(record["versions"]) == {"torch", "transformers"}


def test_a_separable_set_is_learnt_and_recognised(trained):
    _, out, record = trained
    assert record["loss"] < 0.05
    told = record["validation"]
    assert list(told) == list(STRATEGY_LABELS)
    assert {told[label]["n"] for label in told} == {record["texts"]["validation"]}
    assert np.mean([told[label]["f1"] for label in told]) > 0.95
    labeller = load("encoder", [f"folder={out}"])
    texts = {"the bell why rings at noon.": "Question", "we sleep like in town.": "Analogy",
             "by night we sleep at noon.": "Statement"}  # fmt: skip
    found = labeller.label([Item(text, text) for text in texts])
    assert [label.strategies.labels() for label in found] == [[name] for name in texts.values()]
    assert labeller.name == f"encoder-{labeller.model[:8]}"


@pytest.mark.parametrize("mode", ["frozen", "lora"])
def test_training_again_gives_the_same_bytes(data, tiny_bert, tmp_path, mode):
    settings = _settings(data, tiny_bert, mode=mode, rank=2, fit=FAST | {"epochs": 1})
    for name in ("a", "b"):
        train(settings, tmp_path / name)
    for file in (net.WEIGHTS, net.RECORD):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("seed", range(3))
def test_measures_are_those_of_scikit_learn(seed):
    """A Statement is what bears nothing else, whatever its own threshold."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(80, 5)).astype(np.float32)
    truth = (rng.random((80, 5)) < 0.4).astype(np.float32)
    truth[::4, 1] = np.nan
    decision = Decision((0.5, 2.0, 1.0, 1.0, 1.0), (0.4, 0.6, 0.7, 0.8, 0.1))
    told = measure(logits, truth, decision, STRATEGY_LABELS)
    every = 1 / (1 + np.exp(-logits.astype(float) / decision.temperatures))
    reached = every >= decision.thresholds
    reached[:, 4] = ~reached[:, :4].any(axis=1)
    for place, label in enumerate(STRATEGY_LABELS):
        known = ~np.isnan(truth[:, place])
        y, x = truth[known, place], logits[known, place].astype(float)
        chances = 1 / (1 + np.exp(-x / decision.temperatures[place]))
        found = reached[known, place]
        assert told[label] == pytest.approx({
            "n": known.sum(), "positives": y.sum(),
            "precision": metrics.precision_score(y, found), "recall": metrics.recall_score(y, found),
            "f1": metrics.f1_score(y, found),
            "ece_plain": expected_calibration_error(1 / (1 + np.exp(-x)), y.astype(float)),
            "ece": expected_calibration_error(chances, y.astype(float)),
        }, abs=0.5e-4 + 1e-9)  # fmt: skip


def test_an_encoder_of_stances(tiny_model, tmp_path):
    """Whoever says "yes" supports; a Llama without special tokens sees no token in blank texts."""
    lines = [
        {"text": f"{'yes' if i % 2 else 'no'} to number {i}", "topic": f"topic {i % 20}", "stance": i % 2}
        for i in range(80)
    ]  # fmt: skip
    data = write_lines(tmp_path / "sides.jsonl", lines)
    record = train(_settings(data, tiny_model, kind="stance"), tmp_path / "out")
    assert record["thresholds"] == [0.5]  # of two sides the likelier one, whichever is rarer
    assert list(record["validation"]) == ["support"]
    labeller = load("encoder", [f"folder={tmp_path / 'out'}"])
    assert labeller.kind == "stance"
    items = [Item("1", "yes to number 1", "topic 1"), Item("2", " ", "topic"), Item("3", "no", " "),
             Item("4", "no to number 2", "topic 2"), Item("5", "", "")]  # fmt: skip
    yes, *unclear, no, blank = labeller.label(items)
    assert (yes.stance, no.stance) == (Stance.SUPPORT, Stance.OPPOSE)
    assert [*unclear, blank] == [Side(None, 0.5)] * 3
    assert list(labeller.label(items[1:3])) == [Side(None, 0.5)] * 2


def test_texts_of_signs_alone_do_no_harm(tiny_model, tmp_path):
    lines = [
        {"text": "?!" if i % 2 else "so", "strategies": ["Question"] if i % 2 else ["Statement"], "group": str(i)}
        for i in range(40)
    ]  # fmt: skip
    data = write_lines(tmp_path / "signs.jsonl", lines)
    how = FAST | {"worn": 1.0, "epochs": 2, "batch_size": 1}
    for mode in ("frozen", "lora"):
        record = train(_settings(data, tiny_model, mode=mode, fit=how), tmp_path / mode)
        assert np.isfinite(record["loss"])


def test_a_folder_that_holds_something_is_refused_at_once(data, tiny_bert, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path, tmp_path / "file"):
        with pytest.raises(SettingsError, match="not an empty folder"):
            train(_settings(data, tiny_bert), out)


def test_what_cannot_be_trained_is_told(data, tiny_bert, tmp_path):
    one = write_lines(tmp_path / "one.jsonl", [{"text": "x", "strategies": [], "group": "g"}] * 9)
    with pytest.raises(DataError, match="too few groups"):
        train(_settings(one, tiny_bert), tmp_path / "out")
    with pytest.raises(ModelError, match=r"backbone .* cannot be loaded"):
        train(_settings(data, tmp_path / "nothing"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_label_that_nothing_was_learnt_about_is_never_named(data, tiny_bert, tmp_path):
    lines = [json.loads(line) for line in data.read_text().splitlines()]
    known = ["Question", "Causality"]
    for line in lines:
        line["strategies"] = [s for s in line["strategies"] if s in known]
        line["labels_annotated"] = known
    part = write_lines(tmp_path / "part.jsonl", lines)
    record = train(_settings(part, tiny_bert), tmp_path / "out")
    assert [threshold == NEVER for threshold in record["thresholds"]] == [False, False, *[True] * 3]
    (label,) = load("encoder", [f"folder={tmp_path / 'out'}"]).label([Item("1", "Ask. Bells.")])
    assert not set(label.strategies.labels()) & {"Example", "Analogy"}


def test_batches_are_of_our_own_text(data, tiny_bert, tmp_path):
    with pytest.raises(SettingsError, match="validation_batches"):
        train(_settings(data, tiny_bert, validation_batches=["10"]), tmp_path / "out")


def test_a_head_alone_learns_from_a_part(data, tiny_bert, tmp_path):
    texts = [
        train(_settings(data, tiny_bert, mode=mode, most=30), tmp_path / mode)["texts"]
        for mode in ("frozen", "lora")
    ]
    assert texts[0]["learnt"] == 30 < texts[1]["learnt"]
    assert texts[0]["validation"] == texts[1]["validation"]
