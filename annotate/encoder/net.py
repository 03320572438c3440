"""The network: a backbone, a pooled head, and the folder in which both are kept."""

from __future__ import annotations

import json
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from sad import models
from sad.errors import DataError, MissingExtraError, ModelError, SettingsError
from sad.files import atomic_folder, read_json
from sad.settings import Settings

WEIGHTS, RECORD, BACKBONE = "weights.safetensors", "encoder.json", "backbone"
_HIDDEN = 128  # width of the head


class Shape(Settings):
    """What the network is."""

    backbone: str = Field(
        "minilm",
        description="A packaged model, a folder, or a name on the hub. Source: ours",
    )
    mode: Literal["frozen", "lora", "full"] = Field(
        "frozen",
        description="What is trained: the head alone, low-rank updates of the backbone as well, "
        "or everything. Source: ours",
    )
    rank: int = Field(16, ge=1, description="Of the low-rank updates. Source: Hu et al. 2021")
    layers: int | None = Field(
        None, ge=1, description="Of the backbone that are used, from below; null: all. Source: ours"
    )
    still: int = Field(
        0, ge=0, description="Layers from below without updates, for lora. Source: ours"
    )
    labels: list[str] = Field(["Question"], min_length=1, description="Source: ours")
    max_tokens: int = Field(128, ge=8, description="Of text and surroundings. Source: ours")


class Net(nn.Module):  # type: ignore[misc]
    """Token states of a backbone, pooled by mean and maximum, to one logit per label."""

    def __init__(self, backbone: nn.Module, width: int, n_labels: int, dropout: float) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(2 * width, _HIDDEN), nn.GELU(),
            nn.Dropout(dropout), nn.Linear(_HIDDEN, n_labels),
        )  # fmt: skip

    def dtype(self) -> torch.dtype:
        """In which the backbone computes."""
        return next(self.backbone.parameters()).dtype

    def pooled(self, batch: dict[str, Tensor]) -> Tensor:
        """Mean and maximum over the tokens: [N, 2 H]."""
        states = self.backbone(**batch).last_hidden_state.float()
        mask = batch["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(1) / mask.sum(1)
        top = states.masked_fill(mask == 0, torch.finfo(states.dtype).min).amax(1)
        return torch.cat([mean, top], dim=-1)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits [N, L] of the tokenised texts ``batch`` (input_ids [N, T], ...)."""
        pooled = self.pooled(batch)
        with torch.autocast(pooled.device.type, enabled=False):  # brain floats have three digits
            return self.head(pooled)


@dataclass(frozen=True, slots=True)
class Encoder:
    """A network with its tokeniser, and what is recorded of it."""

    net: Net
    tokenizer: Any
    shape: Shape
    record: dict[str, Any]

    def tokens(self, texts: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
        """The padded batch of ``texts`` (text, around), on the device of the network."""
        found = self._tokenized(texts, padding=True, return_tensors="pt")
        return {key: rows.to(device()) for key, rows in found.items()}

    def groups(self, texts: Sequence[tuple[str, str]]) -> Iterator[tuple[list[int], Any]]:
        """The places of all ``texts`` of one length in tokens, and their batch: no padding.

        Padding would change the last digits of a text with the length of its neighbours.
        """
        found = self._tokenized(texts)
        places: dict[int, list[int]] = {}
        for place, ids in enumerate(found["input_ids"]):
            places.setdefault(len(ids), []).append(place)
        for _, same in sorted(places.items()):
            yield (
                same,
                {
                    key: torch.tensor([rows[i] for i in same], device=device())
                    for key, rows in found.items()
                },
            )

    def _tokenized(self, texts: Sequence[tuple[str, str]], **more: Any) -> Any:
        """Of a pair that is too long, the longer part is cut first."""
        first, second = zip(*texts, strict=True)
        return self.tokenizer(
            list(first), list(second), truncation="longest_first",
            max_length=self.shape.max_tokens, **more,
        )  # fmt: skip


def create(
    shape: Shape, *, dropout: float = 0.1, seed: int = 0, own: Path | None = None
) -> Encoder:
    """An untrained encoder of ``shape``.

    Args:
        shape: what it is.
        dropout: of the head.
        seed: of the head and of the updates.
        own: the folder of a fully trained backbone, whose weights are set later.

    Raises:
        ModelError: the backbone cannot be loaded.
        MissingExtraError: a package for it is missing.
    """
    backbone, tokenizer = _backbone(shape, own)
    torch.manual_seed(seed)
    if shape.mode == "lora":
        backbone = _with_updates(backbone, shape)
    elif shape.mode == "frozen":
        backbone.requires_grad_(False)
    net = Net(backbone, backbone.config.hidden_size, len(shape.labels), dropout)
    return Encoder(net.to(device()), tokenizer, shape, {})


def trained_weights(encoder: Encoder) -> dict[str, Tensor]:
    """What was trained, to be saved: in half precision unless that is everything."""
    if encoder.shape.mode == "full":
        return {name: weight.detach().clone() for name, weight in encoder.net.state_dict().items()}
    return {
        name: weight.detach().to(torch.float16).contiguous()
        for name, weight in encoder.net.named_parameters()
        if weight.requires_grad
    }


def ready(encoder: Encoder, weights: dict[str, Tensor]) -> None:
    """Set ``encoder`` to its trained ``weights`` and make it fast: no more training.

    So what is measured before saving is what a loaded encoder gives.
    """
    encoder.net.load_state_dict(weights, strict=False)
    if encoder.shape.mode == "lora":  # folded in, an update costs no time
        encoder.net.backbone = encoder.net.backbone.merge_and_unload()
    encoder.net.eval().requires_grad_(False)


def save(
    encoder: Encoder, weights: dict[str, Tensor], folder: Path, record: dict[str, Any]
) -> None:
    """Write ``weights`` and ``record`` into the new ``folder``.

    Raises:
        SettingsError: ``folder`` holds something.
    """
    from safetensors.torch import save_file

    with atomic_folder(folder) as temporary:
        save_file(weights, temporary / WEIGHTS)
        (temporary / WEIGHTS).chmod(0o644)
        if encoder.shape.mode == "full":
            encoder.net.backbone.config.save_pretrained(temporary / BACKBONE)
            encoder.tokenizer.save_pretrained(temporary / BACKBONE)
        text = json.dumps({"shape": encoder.shape.dump(), **record}, indent=1, ensure_ascii=False)
        (temporary / RECORD).write_text(text + "\n", encoding="utf-8")


def load(folder: Path) -> Encoder:
    """The encoder in ``folder``, ready to label.

    Raises:
        ModelError: the folder holds no encoder, or a damaged one.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not (folder / RECORD).is_file():
        raise ModelError(f"{folder} holds no encoder; make one with 'sad annotate train-encoder'")
    shape, record = _recorded(folder / RECORD)
    encoder = create(shape, own=folder / BACKBONE if shape.mode == "full" else None)
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{folder / WEIGHTS} cannot be read ({error})") from None
    wanted = {name: tuple(weight.shape) for name, weight in trained_weights(encoder).items()}
    if wanted != {name: tuple(weight.shape) for name, weight in weights.items()}:
        raise ModelError(f"{folder / WEIGHTS} does not fit the network of {RECORD}")
    ready(encoder, weights)
    return Encoder(encoder.net, encoder.tokenizer, shape, record)


def _recorded(path: Path) -> tuple[Shape, dict[str, Any]]:
    """The shape of an encoder, and what else is recorded of it."""
    try:
        record = read_json(path)
        shape = Shape.parse(record.pop("shape"), where="shape")
    except (DataError, SettingsError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is not the record of an encoder ({error})") from None
    return shape, record


def device() -> str:
    """``cuda`` where there is a GPU, else ``cpu``. Never run on a GPU by us."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def fast_bf16() -> bool:
    """Whether this machine multiplies brain floats fast."""
    return torch.cuda.is_available() or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _backbone(shape: Shape, own: Path | None) -> tuple[Any, Any]:
    """The backbone and its tokeniser; weights that are never trained are kept as brain floats."""
    try:
        from transformers import AutoConfig, AutoModel, AutoTokenizer
    except ImportError:
        raise MissingExtraError("labels", "transformers") from None
    name = str(own or shape.backbone)
    source = str(models.fetch(name)) if name in models.MODELS else name
    dtype = torch.bfloat16 if shape.mode != "full" and fast_bf16() else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        tokenizer.padding_side = "right"
        config = AutoConfig.from_pretrained(source)
        config.num_hidden_layers = shape.layers or config.num_hidden_layers
        if own:  # a fully trained encoder keeps all weights in its file
            return AutoModel.from_config(config), tokenizer
        with _quiet():
            options = {"config": config, "dtype": dtype, "use_safetensors": True}
            return AutoModel.from_pretrained(source, **options), tokenizer
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"backbone {source}: cannot be loaded ({reason})") from None


def _with_updates(backbone: Any, shape: Shape) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise MissingExtraError("labels", "peft") from None
    targets = [
        name
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Linear)
        and (layer := re.search(r"layers?\.(\d+)\.", name))
        and int(layer[1]) >= shape.still
    ]
    if not targets:
        raise ModelError(f"backbone {shape.backbone}: no layer from number {shape.still} on")
    config = LoraConfig(r=shape.rank, lora_alpha=2 * shape.rank, target_modules=targets)
    with _quiet():
        return get_peft_model(backbone, config)


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars and no report of layers that are cut away on purpose."""
    from tqdm import tqdm
    from transformers.utils import logging

    # A lock between processes would be left over by every worker that is stopped.
    tqdm.set_lock(threading.RLock())
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():  # peft still asks what transformers renames
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(before[0])
        if before[1]:
            logging.enable_progress_bar()
