"""Finished evaluations as scores: read from lm-eval's own result and sample files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scoring import METRICS
from sad.errors import DataError
from sad.files import read_json
from sad.metrics.intervals import Interval
from sad.settings import read_yaml

_RESULTS = re.compile(r"results_(.+)\.json$")


@dataclass(frozen=True, slots=True)
class Score:
    """One metric of one task, with what it rests on."""

    task: str
    task_version: str
    prompt: str
    split: str
    labels: str
    metric: str
    about: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation: the model, its scores, and what it wrote."""

    path: Path
    model: str
    facts: dict[str, str]
    data: str | None
    scores: list[Score]
    replies: list[dict[str, Any]]


def read(path: Path) -> Run:
    """The latest evaluation below the folder ``path``.

    Raises:
        DataError: there is none, or it was made without ``--log_samples``.
    """
    found = sorted(path.rglob("results_*.json"), key=lambda file: file.name)
    if not found:
        message = "holds no results of lm-eval; run: sad bench run --out DIR"
        raise DataError(path, f"{message}, or lm-eval with --output_path and --log_samples")
    results, stamp = read_json(found[-1]), _RESULTS.search(found[-1].name)
    scores: list[Score] = []
    replies: list[dict[str, Any]] = []
    for file in sorted(found[-1].parent.glob(f"samples_*_{stamp[1] if stamp else ''}.jsonl")):
        task = file.name.removeprefix("samples_").rpartition("_")[0]
        if _is_ours(results["configs"].get(task)):
            samples = list(_samples(file))
            scores += _scores(task, results, samples)
            replies += _replies(task, samples)
    if not scores:
        raise DataError(found[-1], "has no sample files beside it; run again with --log_samples")
    return Run(
        path=path,
        model=Path(str(results.get("model_name"))).name,
        facts=_facts(results) | _recorded(path),
        data=_data(results, scores[0].task),
        scores=scores,
        replies=replies,
    )


def _data(results: dict[str, Any], task: str) -> str | None:
    """The folder that ``task`` was scored on; None for the labelled sample."""
    metadata = results["configs"][task].get("metadata") or {}
    return metadata.get("data")


def _is_ours(config: dict[str, Any] | None) -> bool:
    """Whether a task is one of ours: a run may hold others, whose metrics mean something else."""
    return config is not None and {m["metric"] for m in config["metric_list"]} <= set(METRICS)


def _recorded(path: Path) -> dict[str, str]:
    """What only our own runner records of a run: the digest of a local model's files."""
    record = path / "settings.yaml"
    digest = read_yaml(record).get("model_digest") if record.exists() else None
    return {"revision": f"files {digest}"} if digest else {}


def _samples(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line:
            try:
                yield json.loads(line)
            except ValueError:
                raise DataError(
                    path, "is not JSON; run the evaluation again", line=number
                ) from None


def _scores(task: str, results: dict[str, Any], samples: list[dict[str, Any]]) -> Iterator[Score]:
    config = results["configs"][task]
    docs = [sample["doc"] for sample in samples]
    splits = "+".join(sorted({doc["split"] for doc in docs}))
    labels = " | ".join(sorted({doc["label_source"] for doc in docs}))
    for entry in config["metric_list"]:
        name = entry["metric"]
        interval = METRICS[name].interval(
            [sample[name] for sample in samples], [doc["thread_id"] for doc in docs]
        )
        yield Score(
            task=task,
            task_version=str(results["versions"].get(task)),
            prompt=str((config.get("metadata") or {}).get("prompt")),
            split=splits,
            labels=labels,
            metric=name,
            about=METRICS[name].about,
            interval=interval,
        )


def _replies(task: str, samples: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for sample in samples:
        if "target_stance" in sample["doc"]:
            yield {"task": task, "doc": sample["doc"], "reply": sample["filtered_resps"][0]}


def _facts(results: dict[str, Any]) -> dict[str, str]:
    config = results.get("config") or {}
    facts = {
        "model arguments": config.get("model_args"),
        "revision": config.get("model_sha") or config.get("model_revision"),
        "dtype": config.get("model_dtype"),
        "parameters": config.get("model_num_parameters"),
        "chat template": "yes" if results.get("chat_template") else "no",
        "limit": config.get("limit"),
        "batch size": config.get("batch_size"),
        "seeds": ", ".join(
            str(config.get(f"{name}_seed")) for name in ("random", "numpy", "torch", "fewshot")
        ),
        "lm-eval": results.get("lm_eval_version"),
        "transformers": results.get("transformers_version"),
    }
    return {name: str(value) for name, value in facts.items() if value not in (None, "")}
