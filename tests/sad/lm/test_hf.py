"""Local models: scores against one-by-one computation, batches, hostile texts, long texts."""

import math
import re
from functools import cache

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from sad.errors import ModelError
from sad.lm import Choose, Message, Request, Write, open_model
from sad.lm.likelihood import job
from sad.lm.settings import LmSettings
from sad.settings import assign

SIZES = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "vocab_size": 257, "eos_token_id": 0, "bos_token_id": 0,
    "pad_token_id": 0, "initializer_range": 0.3,
}  # fmt: skip
CHAT = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<eos>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(scope="module")
def gemma(tiny_model, tmp_path_factory):
    """Layers with a window of eight tokens, shorter than the prompts, between full ones."""
    folder = tmp_path_factory.mktemp("gemma")
    torch.manual_seed(1)
    kinds = ["sliding_attention", "full_attention"]
    config = Gemma3TextConfig(**SIZES, head_dim=16, sliding_window=8, layer_types=kinds)
    Gemma3ForCausalLM(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def qwen(tiny_model, tmp_path_factory):
    """A chat model."""
    folder = tmp_path_factory.mktemp("qwen")
    torch.manual_seed(2)
    Qwen2ForCausalLM(Qwen2Config(**SIZES, max_position_embeddings=400)).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    return folder


def _settings(tmp_path, **values):
    return LmSettings(cache=tmp_path / "lm", dtype="float32", **values)


def _ask(text, questions=(" Is it?", " Is it a longer one?"), options=("yes", "not at all")):
    messages = (Message("system", "Answer with yes or no."), Message("user", text))
    return Request(messages, Choose(options, questions))


TEXTS = ["short", "a much longer text than the first", "", "é\U0001f600"]


@cache
def _loaded(folder):
    net = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return net, AutoTokenizer.from_pretrained(folder)


def _naive(folder, prompt, option):
    """The log-likelihood of ``option``: one forward pass over all tokens, nothing shared."""
    model, tokenizer = _loaded(folder)
    begin, tokens = len(tokenizer(prompt)["input_ids"]), tokenizer(prompt + option)["input_ids"]
    with torch.inference_mode():
        logprobs = model(torch.tensor([tokens])).logits[0].double().log_softmax(-1)
    return sum(float(logprobs[t - 1, tokens[t]]) for t in range(begin, len(tokens)))


def _bare(request, question):
    return "\n\n".join(m.content for m in request.messages) + question + "\nAnswer:"


def _chat(request, question):
    system, user = (message.content for message in request.messages)
    return f"<|system|>{system}<eos><|user|>{user}{question}<eos><|assistant|>"


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize(
    ("name", "form", "space"),
    [("tiny_model", _bare, " "), ("gemma", _bare, " "), ("qwen", _chat, "")],
)
def test_scores_are_those_of_one_by_one_computation(
    name, form, space, batch_size, request, tmp_path
):
    folder = request.getfixturevalue(name)
    asked = [_ask(text) for text in TEXTS]
    model = open_model(f"hf:{folder}", _settings(tmp_path, batch_size=batch_size))
    found = dict(model.answer(asked))
    assert sorted(found) == [0, 1, 2, 3]
    for place, one in enumerate(asked):
        for q, question in enumerate(one.ask.questions):
            for o, option in enumerate(one.ask.options):
                expected = _naive(folder, form(one, question), space + option)
                assert found[place].logprobs[q][o] == pytest.approx(expected, abs=1e-4)


def test_an_answer_does_not_depend_on_its_neighbours(tiny_model, tmp_path):
    asked = [_ask(text) for text in TEXTS]
    together = dict(open_model(f"hf:{tiny_model}", _settings(tmp_path / "a")).answer(asked))
    alone = open_model(f"hf:{tiny_model}", _settings(tmp_path / "b"))
    for place in reversed(range(len(asked))):
        ((_, answer),) = alone.answer([asked[place]])
        assert answer.logprobs == together[place].logprobs


def test_tokens_that_join_across_the_border_belong_to_the_answer():
    # "ab" + "c" is [1, 9] where the prompt alone is [1, 2]; "ab" + "d" keeps the prompt's tokens.
    made = job([[1, 2]], [[[1, 9], [1, 2, 4]]], head=[1])
    assert [(t.start, t.tokens) for t in made.targets] == [(1, (9,)), (1, (2, 4))]
    assert made.rows == ((1,), (1, 2))
    assert made.shared == 0  # token 0 predicts the answers' first, so a row computes it


def test_options_of_one_token_share_a_row():
    made = job(
        [[1, 2, 3], [1, 2, 4]], [[[1, 2, 3, 7], [1, 2, 3, 8]], [[1, 2, 4, 7], [1, 2, 4, 8]]], [1, 5]
    )
    assert made.rows == ((1, 2, 3), (1, 2, 4))
    assert (made.shared, made.head) == (2, 1)
    assert made.n_tokens == 2 + 1 + 1


def test_request_beyond_the_context_is_a_fault_and_the_others_are_answered(qwen, tmp_path):
    model = open_model(f"hf:{qwen}", _settings(tmp_path))
    found = dict(model.answer([_ask("x" * 500), _ask("short")]))
    assert "more than the model's 400" in found[0].fault
    assert found[1].fault is None
    assert (model.usage.answered, model.usage.faults) == (1, 1)


def test_special_tokens_in_a_text_are_broken_up(qwen, tmp_path):
    from sad.lm.hf import LocalModel

    model = LocalModel(str(qwen), _settings(tmp_path))
    rendered = model._rendered([Message("user", "a<eos>b")])
    assert rendered == "<|user|>a< eos>b<eos><|assistant|>"


def test_template_without_system_gets_the_instructions_with_the_first_turn(qwen, tmp_path):
    from sad.lm.hf import LocalModel

    model = LocalModel(str(qwen), _settings(tmp_path))
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    model._tokenizer.chat_template = refusing + CHAT
    rendered = model._rendered([Message("system", "Do."), Message("user", "Say.")])
    assert rendered == "<|user|>Do.\n\nSay.<eos><|assistant|>"


@pytest.mark.parametrize("batch_size", [1, 2])
def test_writing_is_greedy(qwen, tmp_path, batch_size):
    model = open_model(f"hf:{qwen}", _settings(tmp_path, batch_size=batch_size))
    asked = [
        Request((Message("user", text),), Write("{}", max_tokens=5)) for text in ("one", "longer")
    ]
    found = dict(model.answer(asked))
    net, tokenizer = _loaded(qwen)
    for place, text in enumerate(("one", "longer")):
        seen = tokenizer(f"<|user|>{text}<eos><|assistant|>")["input_ids"]
        new = []
        while len(new) < 5:
            with torch.inference_mode():
                token = int(net(torch.tensor([seen + new])).logits[0, -1].argmax())
            if token == 0:
                break
            new.append(token)
        assert found[place].text == tokenizer.decode(new, skip_special_tokens=True)
        assert (found[place].tokens_in, found[place].tokens_out) == (len(seen), len(new))
        assert found[place].cut_off == (len(new) == 5)
        assert bool(found[place].fault) == found[place].cut_off


def test_what_is_written_does_not_depend_on_what_was_chosen_before(qwen, tmp_path):
    from sad.lm.hf import LocalModel

    # Logits of bfloat16 tie often enough that some of these texts would tell.
    model = LocalModel(str(qwen), LmSettings(cache=tmp_path, dtype="bfloat16"))
    asked = [
        Request((Message("user", f"text {i}"),), Write("{}", max_tokens=30)) for i in range(20)
    ]
    before = dict(model.answer(asked))
    ((_, chosen),) = model.answer([_ask("a")])
    assert dict(model.answer(asked)) == before
    assert dict(model.answer([_ask("a")])) == {0: chosen}


def test_sampled_writing_is_refused(tiny_model, tmp_path):
    model = open_model(f"hf:{tiny_model}", _settings(tmp_path))
    with pytest.raises(ModelError, match="temperature 0"):
        list(model.answer([Request((Message("user", "a"),), Write("{}", temperature=0.5))]))


def test_id_is_of_the_files(tiny_model, tmp_path):
    import shutil

    from sad.lm.hf import LocalModel

    other = shutil.copytree(tiny_model, tmp_path / "other")
    settings = _settings(tmp_path)
    digest = LocalModel(str(tiny_model), settings).id.partition("@")[2]
    assert LocalModel(str(other), settings).id.partition("@")[2] == digest
    config = (other / "config.json").read_text()
    (other / "config.json").write_text(
        config.replace('"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-05')
    )
    assert LocalModel(str(other), settings).id.partition("@")[2] != digest


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("hf:nowhere", "no packaged model"),
        ("smollm2", "hf:NAME"),
        ("http://127.0.0.1:9/v1", "#NAME"),
    ],
)
def test_unknown_model_is_told(spec, told, tmp_path):
    with pytest.raises(ModelError, match=told):
        open_model(spec, _settings(tmp_path))


def test_servers_that_yaml_split_at_the_comma_are_told_to_be_quoted(tmp_path):
    (first, _) = assign({}, ["models=[http://A/v1,http://B/v1#NAME]"])["models"]
    with pytest.raises(ModelError, match="http://A/v1 names no model") as raised:
        open_model(first, _settings(tmp_path))
    (quoted,) = re.findall("--set '(.+)'", str(raised.value))
    assert assign({}, [quoted]) == {"models": ["http://A/v1,http://B/v1#NAME"]}


def test_folder_without_weights_is_told(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    model = open_model(f"hf:{tmp_path / 'm'}", _settings(tmp_path))
    with pytest.raises(ModelError, match="cannot be loaded"):
        list(model.answer([_ask("a")]))


@pytest.mark.model
def test_real_model_knows_more_than_chance(smollm2, tmp_path):
    model = open_model(f"hf:{smollm2}", LmSettings(cache=tmp_path))
    messages = (Message("user", "What is the capital of France?"),)
    asked = Request(
        messages, Choose(("Paris", "London", "The capital of France is Paris.", "Xyzzy"))
    )
    ((_, answer),) = model.answer([asked])
    paris, london, sentence, nonsense = answer.logprobs[0]
    assert paris > london > nonsense
    assert all(-100 < value < 0 and math.isfinite(value) for value in answer.logprobs[0])
    assert sentence > paris  # the instruct model answers in sentences
    assert model.usage.tokens_in > 10
