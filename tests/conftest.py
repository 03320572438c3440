"""Shared fixtures: the labelled sample, the real data of SAD_DATA, the command line."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sad import cli, models, sample
from sad.build import labels


class Done(NamedTuple):
    code: int
    out: str
    err: str


SMOLLM2 = models.path("smollm2")  # in the user's cache, before the tests get one of their own


@pytest.fixture(scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the test session, which holds the models of the user's."""
    home = tmp_path_factory.getbasetemp() / "home"
    (home / "cache").mkdir(parents=True)
    if SMOLLM2.parent.exists():
        (home / "cache" / "models").symlink_to(SMOLLM2.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAD_CACHE", str(home / "cache"))
        yield home


@pytest.fixture(autouse=True)
def _own_home(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Author key and cache lie in a folder of the test session, not in the user's home."""
    monkeypatch.setattr("sad.build.authors.DEFAULT_KEY_FILE", own_cache / "author.key")
    monkeypatch.setenv("SAD_CACHE", str(own_cache / "cache"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run the command line in this process: ``run("build", "--sample", ...)``."""

    def call(*arguments: Any) -> Done:
        with pytest.raises(SystemExit) as stop:
            cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(int(stop.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def built_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of the sample, unlabelled. Tests must not write to it."""
    folder = tmp_path_factory.mktemp("sample") / "built"
    sample.build_into(folder)
    return folder


@pytest.fixture(scope="session")
def gold_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of the sample with its gold labels. Tests must not write to it."""
    folder = tmp_path_factory.mktemp("gold") / "built"
    sample.build_into(folder)
    labels.apply(folder, sample.gold_labels(), {"method": "gold"})
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, named by the environment variable SAD_DATA."""
    folder = os.environ.get("SAD_DATA")
    if not folder:
        pytest.skip("SAD_DATA is not set: no real data")
    path = Path(folder)
    assert path.is_dir(), f"SAD_DATA={folder} is not a folder"
    return path


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The real SmolLM2-135M-Instruct."""
    if not SMOLLM2.exists():
        pytest.skip("SmolLM2 is not fetched: sad models fetch smollm2")
    return SMOLLM2


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama with a byte-level tokenizer: the real classes, three orders smaller."""
    import torch
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers import models as parts
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate(["<eos>", *alphabet])}
    tokenizer = Tokenizer(parts.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<eos>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocab), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=8192,
        eos_token_id=0, bos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 8 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(path)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)
