"""Evaluating a model on the tasks: lm-eval's ``simple_evaluate`` with our tasks and records."""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import Field

from benchmarks import data, runs
from sad.build import folder as built
from sad.errors import MissingExtraError, ModelError, SettingsError
from sad.files import sha256, write_json, write_text
from sad.settings import Settings, read_yaml

log = logging.getLogger(__name__)

TASKS = Path(__file__).parent / "tasks"
"""The folder for lm-eval's ``--include_path``."""

SCORES = "scores.json"

_PACKAGES = ("sad-dialogue", "lm-eval", "transformers", "torch", "datasets", "sacrebleu")


class RunSettings(Settings):
    """What decides the outcome of a run."""

    model: str = Field("hf", description="A model class of lm-eval. Source: lm-eval")
    model_args: str = Field("", description="Its arguments, a=1,b=2. Source: lm-eval")
    tasks: list[str] = Field(["sad"], description="Tasks or groups. Source: ours")
    limit: int | None = Field(None, ge=1, description="Documents per task. Source: lm-eval")
    split: str = Field("auto", description="Split to score; see data.chosen_split. Source: ours")
    batch_size: str = Field("8", description="Batch size, or auto. Source: ours")
    device: str | None = Field(None, description="Null: GPU if there is one. Source: ours")
    apply_chat_template: bool = Field(False, description="Prompt as a chat. Source: lm-eval")
    seed: int = Field(1234, description="Of random, numpy, torch and few-shot. Source: lm-eval")
    data_digest: str = Field(
        "", description="Of the labelled data; set by the runner. Source: ours"
    )
    model_digest: str = Field("", description="Of a local model; set by the runner. Source: ours")
    versions: dict[str, str] = Field({}, description="Set by the runner. Source: ours")


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
    if find_spec("lm_eval") is None or find_spec("torch") is None:
        raise MissingExtraError("eval", "lm-eval")
    found = {
        "data_digest": _digest(folder),
        "model_digest": _model_digest(settings.model_args),
        "versions": {name: version(name) for name in _PACKAGES},
    }
    settings = settings.model_copy(update=found)
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
    return {
        "whose": "ours",
        "model": run.model,
        "facts": run.facts,
        "settings": settings.dump(),
        "scores": [
            {k: v for k, v in asdict(score).items() if k != "interval"} | asdict(score.interval)
            for score in run.scores
        ],
    }


def _digest(folder: Path) -> str:
    tables = ("utterances", "dialogues", "examples")
    files = [file for table in tables for file in built.files(folder, table)]
    return " ".join(sha256(file)[:12] for file in files)


def _model_digest(model_args: str) -> str:
    """A digest of the files of a local model folder; empty for a model that is not one."""
    arguments = dict(part.partition("=")[::2] for part in model_args.split(","))
    folder = Path(arguments.get("pretrained") or "-")
    if not folder.is_dir():
        return ""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    listed = " ".join(f"{file.name}:{sha256(file)}" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()[:16]


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
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

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
    # Left to itself, the model class asks for a GPU even where there is none.
    default = "cuda" if torch.cuda.is_available() else "cpu"
    options = {"batch_size": settings.batch_size, "device": settings.device or default}
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
