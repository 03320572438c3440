"""``train-encoder``: from labelled texts to a folder that the labeller ``encoder`` takes."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from annotate import training
from annotate.encoder import decide, net, use
from annotate.encoder import fit as fitting
from annotate.encoder.fit import FitSettings, Progress
from annotate.encoder.rows import Row, divided, matrix, of_training, read, stances_of_training
from annotate.guideline import load as load_guideline
from sad.errors import DataError, SettingsError
from sad.files import sha256
from sad.metrics import multilabel
from sad.settings import Settings
from sad.types import STRATEGY_LABELS

OWN = "own"
"""The name of the training text of this package."""

_PACKAGES = ("torch", "transformers")


class TrainSettings(Settings):
    """What decides the trained encoder."""

    kind: Literal["strategies", "stance"] = Field("strategies", description="Source: ours")
    data: str = Field(OWN, description="A JSONL file, or 'own': our training text. Source: ours")
    held_out: bool = Field(
        True,
        description="Whether the topics and batches for evaluation are left out, of our own text "
        "alone. Source: ours",
    )
    validation: float = Field(
        0.1, gt=0, lt=1,
        description="Share of topics kept for thresholds and temperatures. Source: ours",
    )  # fmt: skip
    validation_batches: list[str] = Field(
        [],
        description="Batches of our text kept for that instead; the share is then unused. "
        "Source: ours",
    )
    most: int = Field(
        16_000, ge=1,
        description="Texts that a head alone (mode=frozen) learns from, drawn at random: that many "
        "take less than a minute on two cores. Source: ours",
    )  # fmt: skip
    backbone: str = Field("minilm", description="See net.Shape. Source: ours")
    mode: Literal["frozen", "lora", "full"] = Field(
        "frozen", description="See net.Shape. Source: ours"
    )
    rank: int = Field(16, ge=1, description="See net.Shape. Source: ours")
    layers: int | None = Field(None, ge=1, description="See net.Shape. Source: ours")
    still: int = Field(0, ge=0, description="See net.Shape. Source: ours")
    max_tokens: int = Field(128, ge=8, description="See net.Shape. Source: ours")
    fit: FitSettings = Field(FitSettings(), description="Source: ours")


def train(
    settings: TrainSettings, out: Path, on_progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Train an encoder into the new folder ``out``; what was measured on the validation texts.

    Raises:
        SettingsError: ``out`` holds something, or a batch does not exist.
        DataError: the data cannot be read, or one side of the division is empty.
        ModelError: the backbone cannot be loaded.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingsError(f"{out} is not an empty folder; choose another --out")
    learn, check = _divided(settings)
    if settings.mode == "frozen" and len(learn) > settings.most:
        learn = random.Random(settings.fit.seed).sample(learn, settings.most)
    labels = list(STRATEGY_LABELS) if settings.kind == "strategies" else ["support"]
    shape = net.Shape(
        backbone=settings.backbone, mode=settings.mode, rank=settings.rank, labels=labels,
        layers=settings.layers, still=settings.still, max_tokens=settings.max_tokens,
    )  # fmt: skip
    encoder = net.create(shape, dropout=settings.fit.dropout, seed=settings.fit.seed)
    loss = fitting.fit(encoder, learn, settings.fit, on_progress)
    weights = net.trained_weights(encoder)
    net.ready(encoder, weights)
    logits = fitting.run(encoder, [(row.text, row.around) for row in check], encoder.net)
    decision = decide.learn(
        logits.astype(np.float64),
        matrix(check).astype(np.float64),
        0.5 if settings.kind == "stance" else None,  # of two sides the likelier one
    )
    decision = decide.untaught(decision, matrix(learn))
    measured = measure(logits, matrix(check), decision, labels)
    record = {
        "kind": settings.kind,
        "temperatures": [round(t, 6) for t in decision.temperatures],
        "thresholds": [round(t, 6) for t in decision.thresholds],
        "settings": settings.dump(),
        "guideline_version": load_guideline().version,
        "data_sha256": _digest(settings.data),
        "texts": {"learnt": len(learn), "validation": len(check)},
        "loss": round(loss, 6),
        "validation": measured,
        "versions": {name: version(name) for name in _PACKAGES},
    }
    net.save(encoder, weights, out, record)
    return record


def _divided(settings: TrainSettings) -> tuple[list[Row], list[Row]]:
    """The rows to learn from and those for the decisions."""
    if settings.data == OWN:
        known = {path.stem.removeprefix("batch-") for path in training.batches()}
        if unknown := sorted(set(settings.validation_batches) - known):
            raise SettingsError(f"no batch {unknown[0]!r}; there are: {', '.join(sorted(known))}")
        rows_of = of_training if settings.kind == "strategies" else stances_of_training
        kept = training.load()
        kept = training.learnt_from(kept) if settings.held_out else kept
        if settings.validation_batches:
            apart = set(settings.validation_batches)
            learn = rows_of([s for s in kept if s.batch not in apart])
            check = rows_of([s for s in kept if s.batch in apart])
        else:
            learn, check = divided(rows_of(kept), settings.validation, settings.fit.seed)
    else:
        if settings.validation_batches:
            raise SettingsError("validation_batches: batches are of our own text, not of --data")
        rows = read(Path(settings.data), settings.kind)
        learn, check = divided(rows, settings.validation, settings.fit.seed)
    if not learn or not check:
        raise DataError(
            settings.data, "too few groups of texts to learn from some and check others"
        )
    return learn, check


def _digest(data: str) -> str:
    """SHA-256 of the training file, or of the files of our own text."""
    if data != OWN:
        return sha256(Path(data))
    listed = [f"{path.name}:{sha256(path)}" for path in training.batches()]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def measure(
    logits: np.ndarray[Any, Any],
    targets: np.ndarray[Any, Any],
    decision: decide.Decision,
    labels: Sequence[str],
) -> dict[str, Any]:
    """Per label: n, positives, precision, recall, F1, calibration error before and after.

    Args:
        logits: [N, L].
        targets: [N, L], NaN where a label is not annotated.
        decision: as it is used afterwards: a Statement is what bears no other strategy.
        labels: [L].
    """
    chances = decide.probabilities(logits.astype(np.float64), decision.temperatures)
    plain = decide.probabilities(logits.astype(np.float64), (1.0,) * len(labels))
    named = use.named(chances, decision)
    told = {}
    for place, label in enumerate(labels):
        known = ~np.isnan(targets[:, place])
        truth = targets[known, place].astype(np.float64)
        summed = multilabel.counts(truth[:, None], named[known, place, None]).sum(axis=0)
        told[label] = {
            "n": int(known.sum()),
            "positives": int(truth.sum()),
            "precision": _round(multilabel.precision(summed)),
            "recall": _round(multilabel.recall(summed)),
            "f1": _round(multilabel.macro_f1(summed)),
            "ece_plain": _round(decide.expected_calibration_error(plain[known, place], truth)),
            "ece": _round(decide.expected_calibration_error(chances[known, place], truth)),
        }
    return told


def _round(value: Any) -> float:
    return round(float(value), 4)
