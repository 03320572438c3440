"""Runs stages on this machine, on Slurm or on Ray. With ``units`` the only door to datatrove.

Ranks share the units of a stage out; how many ranks there are never shows in what they leave. Like
``units``, this module stays free of polars.
"""

from __future__ import annotations

import os
import pickle
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from datatrove.executor.base import PipelineExecutor
from loguru import logger

from sad.build import units
from sad.build.units import Stage, UnitStep
from sad.errors import SettingsError, WorkerError
from sad.files import read_json

# Its tracebacks and banners hide what a user needs, and they would print the values of variables.
logger.disable("datatrove")

Progress = Callable[[str, int, int], None]
"""Told (stage, units done, units)."""

POLL_SECONDS = 0.1
_LATE_SECONDS = 30  # a shared file system may show new folders late
_MOST_RANKS = 500  # of an array or a Ray job, where the user names no number


@dataclass(frozen=True, slots=True)
class Execution:
    """Where a build runs and how much of it at once; nothing here changes its result."""

    executor: Literal["local", "slurm", "ray"] = "local"
    workers: int | None = None  # ranks at once; None: one per core, elsewhere as many as there are
    tasks: int | None = None  # ranks of a stage; None: one per worker, elsewhere one per unit
    ray_address: str | None = None  # None: $RAY_ADDRESS, a Ray of this machine, or a new one
    sbatch: tuple[str, ...] = ()  # such as "partition=cpu", "time=4:00:00", "exclusive"

    def __post_init__(self) -> None:
        for name in ("workers", "tasks"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"--{name} {value}: give at least 1")
        if self.sbatch and self.executor != "slurm":
            raise SettingsError("--sbatch goes with --executor slurm")
        if self.ray_address and self.executor != "ray":
            raise SettingsError("--ray-address goes with --executor ray")

    @property
    def is_local(self) -> bool:
        """Whether all ranks run on this machine, under this process."""
        return self.executor == "local"


Tell = Callable[[], None]
"""To be called now and then, so that progress is shown."""


class Runner(Protocol):
    """One kind of executor."""

    def step(self, stage: Stage, work: Path, job: bytes) -> UnitStep:
        """The step that its ranks run."""

    def run(self, stage: Stage, step: UnitStep, tasks: int, markers: Path, tell: Tell) -> None:
        """Run the ranks of ``stage`` that have no marker in ``markers``; call ``tell`` meanwhile.

        Raises:
            SadError: a rank failed or was killed.
        """

    def close(self) -> None:
        """Stop what is still running."""


@dataclass
class Engine:
    """Runs stages; made by ``started``."""

    how: Execution
    work: Path
    job: bytes
    on_progress: Progress
    runner: Runner

    def run(self, stage: Stage) -> None:
        """Run what is missing of ``stage``.

        Raises:
            SadError: a rank failed, was killed, or left its work unfinished.
        """
        missing = units.missing(self.work, stage)
        self.on_progress(stage.name, stage.units - len(missing), stage.units)
        if not missing:
            return
        tasks = min(self.how.tasks or self._ranks(stage), stage.units)
        # Markers know numbers of ranks only, so each number of ranks has markers of its own.
        markers = self.work / "ranks" / f"{stage.name}-{tasks}"
        for unit in missing:
            (markers / "completions" / f"{unit % tasks:05d}").unlink(missing_ok=True)
        units.failure(self.work, stage.name).unlink(missing_ok=True)
        step = self.runner.step(stage, self.work, self.job)
        try:
            self.runner.run(stage, step, tasks, markers, lambda: self._tell(stage))
        except Unfinished as error:
            self._blame(stage, str(error))
        self._require(stage)

    def _ranks(self, stage: Stage) -> int:
        """Here a rank never waits, so there is one per worker; elsewhere small ones fit best."""
        if self.how.is_local:
            return 1 if stage.wide else self.how.workers or cores()
        return min(stage.units, _MOST_RANKS)

    def _tell(self, stage: Stage) -> None:
        done = stage.units - len(units.missing(self.work, stage))
        self.on_progress(stage.name, done, stage.units)

    def _require(self, stage: Stage) -> None:
        until = time.monotonic() + (0 if self.how.is_local else _LATE_SECONDS)
        while missing := units.missing(self.work, stage):
            if time.monotonic() > until:
                self._blame(stage, f"{len(missing)} of {stage.units} units are missing")
            time.sleep(1)
        self.on_progress(stage.name, stage.units, stage.units)

    def _blame(self, stage: Stage, otherwise: str) -> None:
        """Raise what a failed rank wrote down, else ``otherwise``."""
        path = units.failure(self.work, stage.name)
        if path.exists():
            told = read_json(path)
            raise WorkerError(f"stage {stage.name}: {told['message']}", told["exit_code"])
        raise WorkerError(f"stage {stage.name}: {otherwise}; {units.RESUME}")


class Unfinished(Exception):  # noqa: N818  not an error for users: the engine turns it into one
    """Ranks were left unfinished; the message says what is known of it."""


@contextmanager
def ticking(tell: Tell) -> Iterator[None]:
    """Call ``tell`` every second, from another thread, while the block works or waits."""
    over = threading.Event()

    def tick() -> None:
        while not over.wait(1):
            tell()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def require_complete(executor: PipelineExecutor, message: str) -> None:
    """Raise ``Unfinished`` if a rank has no marker; executors return as if all were well."""
    if executor.get_incomplete_ranks():
        raise Unfinished(message)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def started(
    how: Execution, work: Path, job: object, on_progress: Progress, *, in_process: bool
) -> Iterator[Engine]:
    """An engine whose workers end with the block, however it ends.

    ``in_process`` spares small builds the start of workers.

    Raises:
        SettingsError: there is no Slurm here, no Ray at the address, or an option is wrong.
        MissingExtraError: Ray is not installed.
    """
    runner = _runner(how, in_process=in_process)
    try:
        yield Engine(how, work, pickle.dumps(job), on_progress, runner)
    finally:
        runner.close()


def _runner(how: Execution, *, in_process: bool) -> Runner:
    if how.executor == "slurm":
        from sad.build.slurm import Slurm

        if not shutil.which("sbatch"):
            raise SettingsError("--executor slurm: there is no command sbatch here")
        return Slurm(how.sbatch, how.workers)
    if how.executor == "ray":
        from sad.build.ray import Ray

        return Ray(how.ray_address, how.workers)
    from sad.build.local import InProcess, Local

    return InProcess() if in_process else Local(how.workers or cores())
