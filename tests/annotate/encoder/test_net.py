"""Networks are kept and found again as they were, or told to be damaged."""

import json
import shutil

import numpy as np
import pytest
import torch
from toy_texts import toy

from annotate.encoder import decide, fit, net
from annotate.encoder.fit import FitSettings
from annotate.encoder.use import Trained
from annotate.labeller import Item, load
from sad.errors import ModelError, SettingsError
from sad.types import STRATEGY_LABELS, Strategy

MODES = ("frozen", "lora", "full")
TEXTS = [(row.text, row.around if place % 2 else "") for place, row in enumerate(toy(40, seed=3))]
ROUNDING = 1.01e-4
"""The last digit of a chance may turn where the sums of floats differ by a billionth."""
RECORD = {
    "kind": "strategies", "temperatures": [0.5, 1.0, 2.0, 1.0, 1.0],
    "thresholds": [0.4, 0.5, 0.5, 0.5, 0.5],
}  # fmt: skip


@pytest.fixture(scope="module", params=[(b, m) for b in ("tiny_bert", "tiny_model") for m in MODES])
def kept(request, tmp_path_factory):
    """A briefly trained encoder, the folder it was saved to, and its logits before that."""
    name, mode = request.param
    backbone = request.getfixturevalue(name)
    shape = net.Shape(backbone=str(backbone), mode=mode, rank=4, labels=list(STRATEGY_LABELS))
    encoder = net.create(shape)
    fit.fit(encoder, toy(32), FitSettings(epochs=2, head_lr=1e-2), lambda *_: None)
    weights = net.trained_weights(encoder)
    net.ready(encoder, weights)
    folder = tmp_path_factory.mktemp(f"{name}-{mode}") / "encoder"
    net.save(encoder, weights, folder, RECORD)
    return encoder, folder, fit.run(encoder, TEXTS, encoder.net)


def test_a_loaded_encoder_gives_the_same_logits(kept):
    _, folder, before = kept
    loaded = net.load(folder)
    np.testing.assert_array_equal(fit.run(loaded, TEXTS, loaded.net), before)
    assert loaded.record == RECORD
    assert loaded.shape == kept[0].shape


def test_chances_are_those_of_the_logits(kept):
    _, folder, before = kept
    trained = Trained(folder, 64)
    expected = 1 / (1 + np.exp(-before.astype(float) / np.array(RECORD["temperatures"])))
    np.testing.assert_allclose(trained.chances(TEXTS), expected, atol=0.5e-4 + 1e-9)
    assert trained.decision == decide.Decision(
        tuple(RECORD["temperatures"]), tuple(RECORD["thresholds"])
    )
    assert trained.chances([]).shape == (0, 5)


def test_chances_do_not_depend_on_the_neighbours(kept):
    _, folder, _ = kept
    together = Trained(folder, 64).chances(TEXTS)
    for size in (1, 7):
        np.testing.assert_allclose(Trained(folder, size).chances(TEXTS), together, atol=ROUNDING)
    turned = Trained(folder, 64).chances(TEXTS[::-1])[::-1]
    np.testing.assert_allclose(turned, together, atol=ROUNDING)


def test_labels_do_not_depend_on_the_neighbours(kept):
    _, folder, _ = kept
    labeller = load("encoder", [f"folder={folder}"])
    items = [
        Item(str(i), f"{text} Why? And we sleep.", around) for i, (text, around) in enumerate(TEXTS)
    ]
    items += [Item("e", ""), Item("s", "..."), Item("t", "the bell")]
    together = list(labeller.label(items))
    for item, expected in zip(items, together, strict=True):
        (alone,) = labeller.label([item])
        assert (alone.strategies, alone.spans) == (expected.strategies, expected.spans)
        assert alone.scores == pytest.approx(expected.scores, abs=5 * ROUNDING)  # of many sentences
    assert (labeller.kind, labeller.source) == ("strategies", "model")
    assert [label.strategies for label in together[-3:-1]] == [Strategy(0), Strategy.STATEMENT]


def test_only_what_was_trained_is_kept(kept):
    from safetensors.torch import load_file

    encoder, folder, _ = kept
    weights = load_file(folder / net.WEIGHTS)
    mode = encoder.shape.mode
    if mode == "full":
        assert set(weights) == set(encoder.net.state_dict())
        assert not list((folder / net.BACKBONE).glob("*.safetensors"))
    else:
        assert {weight.dtype for weight in weights.values()} == {torch.float16}
        kinds = {"lora_" if "lora_" in name else name.partition(".")[0] for name in weights}
        assert kinds == {"frozen": {"head"}, "lora": {"head", "lora_"}}[mode]
        assert {path.name for path in folder.iterdir()} == {net.WEIGHTS, net.RECORD}


def test_a_fully_trained_encoder_needs_no_backbone(tmp_path, tiny_bert):
    own = shutil.copytree(tiny_bert, tmp_path / "own")
    encoder = net.create(net.Shape(backbone=str(own), mode="full", labels=list(STRATEGY_LABELS)))
    weights = net.trained_weights(encoder)
    net.ready(encoder, weights)
    net.save(encoder, weights, tmp_path / "out", RECORD)
    expected = fit.run(encoder, TEXTS, encoder.net)
    shutil.rmtree(own)
    loaded = net.load(tmp_path / "out")
    np.testing.assert_array_equal(fit.run(loaded, TEXTS, loaded.net), expected)


def test_no_folder_is_written_over(kept, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(SettingsError, match="not an empty folder"):
        net.save(kept[0], {}, tmp_path / "full", RECORD)


def test_backbone_weights_are_read_whatever_their_folder_is_called(tmp_path, tiny_bert):
    same = shutil.copytree(tiny_bert, tmp_path / net.BACKBONE)
    one, two = (net.create(net.Shape(backbone=str(folder))) for folder in (tiny_bert, same))
    for name, weight in one.net.state_dict().items():
        assert torch.equal(weight, two.net.state_dict()[name]), name


def test_layers_from_below_are_used_and_some_stay_still(tiny_bert):
    shape = {"backbone": str(tiny_bert), "mode": "lora", "rank": 2}
    one = net.create(net.Shape(**shape, layers=1))
    both = net.create(net.Shape(**shape))
    still = net.create(net.Shape(**shape, still=1))
    updated = [{n.partition("layer.")[2][0] for n in net.trained_weights(e) if "lora_" in n}
               for e in (one, both, still)]  # fmt: skip
    assert updated == [{"0"}, {"0", "1"}, {"1"}]
    with pytest.raises(ModelError, match="no layer from number 2 on"):
        net.create(net.Shape(**shape, still=2))


def test_padding_does_not_show(tiny_bert):
    """Mean and maximum are over the tokens alone, by a loop over each."""
    encoder = net.create(net.Shape(backbone=str(tiny_bert), mode="full"))
    encoder.net.eval()
    batch = encoder.tokens([("why", ""), ("the bell rings at noon", "")])
    with torch.inference_mode():
        pooled = encoder.net.pooled(batch)
        for place, text in enumerate(("why", "the bell rings at noon")):
            alone = encoder.net.backbone(**encoder.tokens([(text, "")])).last_hidden_state[0]
            expected = torch.cat([alone.mean(0), alone.max(0).values])
            torch.testing.assert_close(pooled[place], expected)


def test_long_texts_are_cut(tiny_bert):
    encoder = net.create(net.Shape(backbone=str(tiny_bert), max_tokens=16))
    batch = encoder.tokens([("the bell " * 500, "at noon " * 500), ("why", "")])
    assert batch["input_ids"].shape == (2, 16)


def _change(folder, **fields):
    record = json.loads((folder / net.RECORD).read_text()) | fields
    (folder / net.RECORD).write_text(json.dumps({k: v for k, v in record.items() if v is not ...}))


def _shape(folder, **fields):
    shape = json.loads((folder / net.RECORD).read_text())["shape"]
    _change(folder, shape=shape | fields)


DAMAGE = {
    "no record": (lambda f: (f / net.RECORD).unlink(), "holds no encoder"),
    "record cut": (lambda f: (f / net.RECORD).write_text('{"shape"'), "not the record of an encoder"),
    "record a list": (lambda f: (f / net.RECORD).write_text("[]"), "not the record of an encoder"),
    "no shape": (lambda f: _change(f, shape=...), "not the record of an encoder"),
    "shape a word": (lambda f: _change(f, shape="bert"), "not the record of an encoder"),
    "odd shape": (lambda f: _shape(f, speed=3), "speed"),
    "odd mode": (lambda f: _shape(f, mode="half"), "mode"),
    "no kind": (lambda f: _change(f, kind=...), "does not say how to decide"),
    "odd kind": (lambda f: _change(f, kind="mood"), "does not say how to decide"),
    "other kind": (lambda f: _change(f, kind="stance"), "a temperature and a threshold"),
    "no thresholds": (lambda f: _change(f, thresholds=...), "does not say how to decide"),
    "few thresholds": (lambda f: _change(f, thresholds=[0.5]), "a temperature and a threshold"),
    "few temperatures": (lambda f: _change(f, temperatures=[1.0]), "a temperature and a threshold"),
    "words for numbers": (lambda f: _change(f, thresholds=["a"] * 5), "does not say how to decide"),
    "no weights": (lambda f: (f / net.WEIGHTS).unlink(), "cannot be read"),
    "weights cut": (lambda f: (f / net.WEIGHTS).write_bytes((f / net.WEIGHTS).read_bytes()[:-9]), "cannot be read"),
    "weights empty": (lambda f: (f / net.WEIGHTS).write_bytes(b""), "cannot be read"),
    "weights text": (lambda f: (f / net.WEIGHTS).write_text("<html>" * 9), "cannot be read"),
    "other labels": (lambda f: _shape(f, labels=["Question"]), "does not fit the network"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_folder_is_told(kept, tmp_path, name):
    folder = shutil.copytree(kept[1], tmp_path / "encoder")
    damage, told = DAMAGE[name]
    damage(folder)
    with pytest.raises(ModelError, match=told):
        Trained(folder, 64)


def test_lost_backbone_is_told(kept, tmp_path):
    encoder, saved, _ = kept
    folder = shutil.copytree(saved, tmp_path / "encoder")
    if encoder.shape.mode == "full":
        shutil.rmtree(folder / net.BACKBONE)
    else:
        _shape(folder, backbone=str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match="cannot be loaded"):
        Trained(folder, 64)


def test_encoder_without_a_folder_is_told():
    with pytest.raises(SettingsError, match="--set folder=DIR"):
        load("encoder")
