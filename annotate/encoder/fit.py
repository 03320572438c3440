"""Training an encoder."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from annotate.encoder.net import Encoder, device, fast_bf16
from annotate.encoder.rows import Row, matrix
from sad.settings import Settings

Progress = Callable[[int, int], None]
"""Told (texts seen, texts to see)."""

_WINDOW = 16  # batches that are sorted by length together


class FitSettings(Settings):
    """How an encoder is trained."""

    epochs: int = Field(
        4, ge=1,
        description="Passes over the texts; five times as many where only a head learns. "
        "Source: ours",
    )  # fmt: skip
    batch_size: int = Field(32, ge=1, description="Texts per step. Source: ours")
    lr: float = Field(1e-3, gt=0, description="Of the updates or the backbone. Source: ours")
    head_lr: float = Field(2e-3, gt=0, description="Of the head. Source: ours")
    dropout: float = Field(0.2, ge=0, lt=1, description="Of the head. Source: ours")
    class_weight: float = Field(
        0.0, ge=0, le=1,
        description="A label's positives weigh (negatives / positives) ** this. Source: ours",
    )  # fmt: skip
    bare: float = Field(
        0.5, ge=0, le=1, description="Share of texts shown without surroundings. Source: ours"
    )
    worn: float = Field(
        0.3, ge=0, le=1,
        description="Share of texts shown in lower case or without punctuation. Source: ours",
    )  # fmt: skip
    seed: int = Field(0, description="Of everything random. Source: ours")


def fit(
    encoder: Encoder, rows: Sequence[Row], settings: FitSettings, on_progress: Progress
) -> float:
    """Train ``encoder`` in place on ``rows``; the mean loss of the last epoch."""
    rng = random.Random(settings.seed)
    torch.manual_seed(settings.seed)
    if encoder.shape.mode == "frozen":
        return _fit_head(encoder, rows, settings, on_progress)
    targets = torch.from_numpy(matrix(rows)).to(device())
    loss_of = _Loss(targets, settings.class_weight)
    steps = settings.epochs * -(-len(rows) // settings.batch_size)
    optimizer, schedule = _optimizer(encoder.net, settings, steps)
    loss = 0.0
    for epoch in range(settings.epochs):
        encoder.net.train()
        total = 0.0
        shown = [_shown(row, settings, rng) for row in rows]
        for done, places in enumerate(batches(shown, settings.batch_size, rng), 1):
            with autocast():
                logits = encoder.net(encoder.tokens([shown[i] for i in places]))
            loss_now = loss_of(logits.float(), targets[places])
            optimizer.zero_grad()
            loss_now.backward()
            nn.utils.clip_grad_norm_(encoder.net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss_now.item() * len(places)
            seen = epoch * len(rows) + min(done * settings.batch_size, len(rows))
            on_progress(seen, settings.epochs * len(rows))
        loss = total / len(rows)
    encoder.net.eval()
    return loss


def autocast() -> Any:
    """Brain floats where this processor multiplies them fast, else nothing."""
    return torch.autocast(device(), torch.bfloat16, enabled=fast_bf16())


def batches(texts: Sequence[tuple[str, str]], size: int, rng: random.Random) -> Iterator[list[int]]:
    """The places of ``texts`` in random batches of about one length."""
    order = list(range(len(texts)))
    rng.shuffle(order)
    for start in range(0, len(order), size * _WINDOW):
        window = sorted(order[start : start + size * _WINDOW], key=lambda i: _length(texts[i]))
        cut = [window[i : i + size] for i in range(0, len(window), size)]
        rng.shuffle(cut)
        yield from cut


def _length(text: tuple[str, str]) -> int:
    return len(text[0]) + len(text[1])


def _shown(row: Row, settings: FitSettings, rng: random.Random) -> tuple[str, str]:
    """The text as it is shown once: worn like a transcript, with or without surroundings."""
    around = "" if rng.random() < settings.bare else row.around
    chance, text = rng.random() / settings.worn if settings.worn else 1.0, row.text
    worn = text
    if chance < 0.4:
        worn = re.sub(r"[^\w\s']", "", text.lower())
    elif chance < 0.6:
        worn = text.lower()
    elif chance < 1:
        worn = text.rstrip(".?!")
    return (worn if worn.strip() else text), around  # signs alone stay as they are


class _Loss:
    """Binary cross-entropy over the annotated labels."""

    def __init__(self, targets: Tensor, class_weight: float) -> None:
        positives = (targets == 1).sum(0).clamp(min=1)
        negatives = (targets == 0).sum(0).clamp(min=1)
        self._weight = (negatives / positives) ** class_weight

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        known = ~torch.isnan(targets)
        each = nn.functional.binary_cross_entropy_with_logits(
            logits, torch.nan_to_num(targets), pos_weight=self._weight, reduction="none"
        )
        return (each * known).sum() / known.sum().clamp(min=1)


def _optimizer(net: nn.Module, settings: FitSettings, steps: int) -> tuple[Any, Any]:
    backbone = [p for n, p in net.named_parameters() if p.requires_grad and "backbone" in n]
    groups = [
        {"params": backbone, "lr": settings.lr},
        {"params": list(net.head.parameters()), "lr": settings.head_lr},
    ]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=0.01)
    rates = [g["lr"] for g in optimizer.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, steps + 1, pct_start=0.1)
    return optimizer, schedule


def _fit_head(
    encoder: Encoder, rows: Sequence[Row], settings: FitSettings, on_progress: Progress
) -> float:
    """Train the head alone, on states of the backbone that are computed once."""
    rng = random.Random(settings.seed)
    shown = [_shown(row, settings, rng) for row in rows]
    with torch.inference_mode():
        pooled = run(encoder, shown, encoder.net.pooled, on_progress)
    states, targets = (torch.from_numpy(x).to(device()) for x in (pooled, matrix(rows)))
    loss_of, epochs = _Loss(targets, settings.class_weight), 5 * settings.epochs
    steps = epochs * -(-len(rows) // settings.batch_size)
    optimizer, schedule = _optimizer(encoder.net, settings, steps)
    encoder.net.train()
    total = 0.0
    for _ in range(epochs):
        total = 0.0
        for places in torch.randperm(len(rows)).split(settings.batch_size):
            loss_now = loss_of(encoder.net.head(states[places]), targets[places])
            optimizer.zero_grad()
            loss_now.backward()
            optimizer.step()
            schedule.step()
            total += loss_now.item() * len(places)
    encoder.net.eval()
    return total / len(rows)


def run(
    encoder: Encoder,
    texts: Sequence[tuple[str, str]],
    what: Callable[[dict[str, Tensor]], Tensor],
    on_progress: Progress = lambda *_: None,
    size: int = 64,
) -> NDArray[np.float32]:
    """``what`` of the tokenised ``texts`` (text, around), at most ``size`` at once: [N, ...]."""
    found: list[Any] = [None] * len(texts)
    done = 0
    with torch.inference_mode(), autocast():
        for places, group in encoder.groups(texts):
            for start in range(0, len(places), size):
                batch = {name: rows[start : start + size] for name, rows in group.items()}
                told = what(batch).float().cpu().numpy()
                for place, row in zip(places[start : start + size], told, strict=True):
                    found[place] = row
                done += len(told)
                on_progress(done, len(texts))
    return np.array(found, np.float32)
