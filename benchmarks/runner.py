"""Evaluating a model on the tasks: lm-eval's ``simple_evaluate`` with our tasks and records."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import Field

from benchmarks import data, runs
from sad.build import folder as built
from sad.build.split import SPLITS
from sad.errors import MissingExtraError, ModelError, SettingsError
from sad.files import sha256, write_json, write_text
from sad.settings import Settings, read_yaml

log = logging.getLogger(__name__)

TASKS = Path(__file__).parent / "tasks"
"""The folder for lm-eval's ``--include_path``."""

SCORES = "scores.json"


class RunSettings(Settings):
    """What decides the outcome of a run."""

    model: str = Field("hf", description="A model class of lm-eval. Source: lm-eval")
    model_args: str = Field("", description="Its arguments, a=1,b=2. Source: lm-eval")
    tasks: list[str] = Field(["sad"], description="Tasks or groups. Source: ours")
    limit: int | None = Field(None, ge=1, description="Documents per task. Source: lm-eval")
    split: str = Field("auto", description="Split to score; see data.chosen_split. Source: ours")
    batch_size: str = Field("8", description="Batch size, or auto. Source: ours")
    device: str | None = Field(None, description="Such as cpu. Source: lm-eval")
    apply_chat_template: bool = Field(False, description="Prompt as a chat. Source: lm-eval")
    seed: int = Field(1234, description="Of random, numpy, torch and few-shot. Source: lm-eval")
    data_digest: str = Field("", description="SHA-256 of the labelled data; set by the runner. "
                             "Source: ours")  # fmt: skip


def run(settings: RunSettings, data_folder: str | None, out: Path) -> runs.Run:
    """The finished run in ``out``, evaluated now unless it is there already.

    Answers of the model are kept in ``out/.run/`` as they come, so a run that was stopped goes on
    where it was.

    Raises:
        SettingsError: ``out`` was made with other settings or data, or a task is unknown.
        ModelError: the model cannot be loaded.
    """
    folder = data.labelled_folder(data_folder)
    data.chosen_split(folder, settings.split)
    settings = settings.model_copy(update={"data_digest": _digest(folder)})
    _refuse_other(out, settings)
    if (out / SCORES).exists():
        log.info("%s is already evaluated with these settings", out)
        return runs.read(out)
    write_text(out / "settings.yaml", settings.to_yaml())
    _evaluate(settings, folder, out)
    finished = runs.read(out)
    write_json(out / SCORES, scores_record(finished, settings))
    return finished


def scores_record(run: runs.Run, settings: RunSettings) -> dict[str, Any]:
    """The scores of ``run`` with everything they rest on; all are ours."""
    names = ("sad-dialogue", "lm-eval", "transformers", "torch", "datasets", "sacrebleu")
    return {
        "whose": "ours",
        "model": run.model,
        "facts": run.facts,
        "settings": settings.dump(),
        "versions": {name: version(name) for name in names},
        "scores": [
            {k: v for k, v in asdict(score).items() if k != "interval"} | asdict(score.interval)
            for score in run.scores
        ],
    }


def _digest(folder: Path) -> str:
    files = [built.shard(folder, "utterances", "train")]
    files += [built.shard(folder, table, s) for table in ("dialogues", "examples") for s in SPLITS]
    return " ".join(sha256(file)[:12] for file in files)


def _refuse_other(out: Path, settings: RunSettings) -> None:
    """Refuse a folder of another run; what an unfinished other run left is cleared away."""
    if out.exists() and not out.is_dir():
        raise SettingsError(f"{out} is a file; --out must be a folder")
    record = out / "settings.yaml"
    if not record.exists():
        if out.is_dir() and any(out.iterdir()):
            raise SettingsError(f"{out} holds something that is not a run; choose another --out")
        return
    old, new = read_yaml(record), settings.dump()
    others = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if others and (out / SCORES).exists():
        names = ", ".join(others)
        raise SettingsError(f"{out} was evaluated with other {names}; choose another --out")
    if others:
        shutil.rmtree(out / ".run", ignore_errors=True)


def _evaluate(settings: RunSettings, folder: Path, out: Path) -> None:
    try:
        from lm_eval import simple_evaluate
        from lm_eval.loggers import EvaluationTracker
        from lm_eval.tasks import TaskManager
    except ImportError:
        raise MissingExtraError("eval", "lm-eval") from None
    metadata = {"data": str(folder), "split": settings.split}
    manager = TaskManager(include_path=str(TASKS), include_defaults=False, metadata=metadata)
    _refuse_unknown(settings.tasks, manager.all_tasks)
    tracker = EvaluationTracker(output_path=str(out))
    cache = out / ".run" / "answers"
    cache.parent.mkdir(parents=True, exist_ok=True)
    results = simple_evaluate(
        model=_model(settings),
        model_args=settings.model_args,
        tasks=settings.tasks,
        limit=settings.limit,
        batch_size=settings.batch_size,
        device=settings.device,
        apply_chat_template=settings.apply_chat_template,
        use_cache=str(cache),
        task_manager=manager,
        evaluation_tracker=tracker,
        random_seed=settings.seed,
        numpy_random_seed=settings.seed,
        torch_random_seed=settings.seed,
        fewshot_random_seed=settings.seed,
        bootstrap_iters=0,
        metadata=metadata,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task, rows in samples.items():
        tracker.save_results_samples(task_name=task, samples=rows)


def _model(settings: RunSettings) -> Any:
    """The model, loaded.

    Raises:
        SettingsError: the device or the batch size is none.
        ModelError: it cannot be loaded.
    """
    import torch
    from lm_eval.api.registry import get_model

    if not re.fullmatch(r"[1-9]\d*|auto(:\d+)?", settings.batch_size):
        raise SettingsError(f"batch_size: {settings.batch_size!r} is neither a number nor auto")
    try:
        torch.device(settings.device or "cpu")
    except RuntimeError:
        raise SettingsError(f"device: {settings.device!r} is none; such as cpu or cuda:0") from None
    options = {"batch_size": settings.batch_size, "device": settings.device}
    try:
        return get_model(settings.model).create_from_arg_string(settings.model_args, options)
    except Exception as error:  # model classes of others raise anything
        reason = str(error) or type(error).__name__
        name = f"{settings.model} {settings.model_args}".strip()
        raise ModelError(f"{name}: cannot be loaded ({reason})") from error


def _refuse_unknown(tasks: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(tasks) - set(known))
    if unknown:
        raise SettingsError(f"no task {unknown[0]!r}; there are: {', '.join(sorted(known))}")
