"""The only door to datatrove: a stage runs as ranks on this machine, on Slurm or on Ray.

A stage is a number of units of work. Each leaves a folder, which is renamed to its place only when
all in it is on disk, so that a kill at any moment costs the units at work and nothing else. Ranks
share the units out; how many there are never shows in what they leave.

This module and what it imports stay free of polars, whose threads do not survive the fork by which
Ray's workers begin: a stage imports its code when it runs.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import logging
import multiprocessing
import os
import pickle
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import (
    FIRST_EXCEPTION,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)  # fmt: skip
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from datatrove.executor import LocalPipelineExecutor, RayPipelineExecutor, SlurmPipelineExecutor
from datatrove.executor.base import DistributedEnvVars
from datatrove.pipeline.base import PipelineStep
from loguru import logger

from sad.errors import DataError, MissingExtraError, SadError, SettingsError, WorkerError
from sad.files import read_json, settle, temporary_folder, told_errors, write_json

logger.disable("datatrove")  # its tracebacks and banners; ours says what a user needs

Progress = Callable[[str, int, int], None]
"""Told (stage, units done, units)."""

COUNTS = "counts.json"
_POLL_SECONDS = 0.1
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True, slots=True)
class Execution:
    """Where a build runs and how much of it at once; nothing here changes its result."""

    executor: Literal["local", "slurm", "ray"] = "local"
    workers: int | None = None  # processes at once; None: one per core, none for small inputs
    tasks: int | None = None  # ranks of a stage; None: one per worker, elsewhere one per unit
    ray_address: str | None = None  # None: $RAY_ADDRESS, else a Ray started for this build
    sbatch: tuple[str, ...] = ()  # such as "partition=cpu", "time=4:00:00"

    def __post_init__(self) -> None:
        for name in ("workers", "tasks"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"--{name} {value}: give at least 1")


@dataclass(frozen=True, slots=True)
class Stage:
    """``units`` calls of ``call(job, unit, folder)``, each of which fills its folder.

    ``wide`` stages have few units that want all cores of a machine; the others run one unit per
    worker at once, on a share of the cores.
    """

    name: str
    call: str  # module:function
    units: int
    wide: bool = False


class UnitStep(PipelineStep):  # type: ignore[misc]
    """A rank of a stage: every ``world_size``-th unit; documents are not read."""

    type = "sad"

    def __init__(self, stage: Stage, work: Path, job: bytes) -> None:
        super().__init__()
        self.name, self.call, self.units = stage.name, stage.call, stage.units
        self.work, self.job = str(work), job

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> None:
        """Make the units of ``rank`` that are not there yet."""
        module, _, function = self.call.partition(":")
        make = getattr(importlib.import_module(module), function)
        job = pickle.loads(self.job)  # noqa: S301  packed by this very process or its parent
        settled: Future[None] | None = None
        with ThreadPoolExecutor(1) as settler:
            for unit in range(rank, self.units, world_size):
                place = folder_of(Path(self.work), self.name, unit)
                if place.exists():
                    continue
                try:
                    with self.track_time("unit"), told_errors(place):
                        folder = temporary_folder(place)
                        make(job, unit, folder)
                        if settled:
                            settled.result()
                        # The disk takes this unit in while the next one is computed.
                        settled = settler.submit(settle, folder, place)
                except Exception as error:
                    _record(Path(self.work), self.name, unit, error)
                    raise
            if settled:
                with told_errors(Path(self.work)):
                    settled.result()


def folder_of(work: Path, stage: str, unit: int) -> Path:
    """Where a unit of a stage leaves its results."""
    return work / stage / f"{unit:05d}"


def counts_of(work: Path, stage: Stage) -> Iterator[dict[str, Any]]:
    """What each unit of ``stage`` counted."""
    for unit in range(stage.units):
        yield read_json(folder_of(work, stage.name, unit) / COUNTS)


def write_counts(folder: Path, counts: dict[str, Any]) -> None:
    """Leave ``counts`` in the folder of a unit."""
    (folder / COUNTS).write_text(json.dumps(counts))


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass
class Engine:
    """Runs stages; made by ``started``."""

    how: Execution
    work: Path
    job: bytes
    on_progress: Progress
    in_process: bool = False
    _pools: dict[bool, ProcessPoolExecutor] = field(default_factory=dict)

    def run(self, stage: Stage) -> None:
        """Run what is missing of ``stage``.

        Raises:
            SadError: a rank failed, was killed, or left its work unfinished.
        """
        tasks = min(self.how.tasks or self._at_once(stage), stage.units)
        markers = self.work / "ranks" / f"{stage.name}-{tasks}"
        step = UnitStep(stage, self.work, self.job)
        _failure(self.work, stage.name).unlink(missing_ok=True)
        self.on_progress(stage.name, 0, stage.units)
        run = {"local": self._local, "slurm": self._slurm, "ray": self._ray}[self.how.executor]
        run(stage, step, tasks, markers)
        missing = [u for u in range(stage.units) if not self._place(stage, u).exists()]
        if missing:
            self._blame(stage, f"{len(missing)} of {stage.units} units are missing")
        self.on_progress(stage.name, stage.units, stage.units)

    def _workers(self) -> int:
        return self.how.workers or cores()

    def _at_once(self, stage: Stage) -> int:
        """Ranks of a stage where the user names no number.

        Here a rank is never waited for, so one per worker; elsewhere small ones are scheduled best.
        """
        local = self.how.executor == "local"
        return (1 if stage.wide else self._workers()) if local else stage.units

    def _place(self, stage: Stage, unit: int) -> Path:
        return folder_of(self.work, stage.name, unit)

    def _tell(self, stage: Stage) -> None:
        done = sum(self._place(stage, unit).exists() for unit in range(stage.units))
        self.on_progress(stage.name, done, stage.units)

    def _blame(self, stage: Stage, otherwise: str) -> None:
        """Raise what the first failed rank wrote down, else ``otherwise``."""
        path = _failure(self.work, stage.name)
        if path.exists():
            told = read_json(path)
            raise WorkerError(f"stage {stage.name}: {told['message']}", told["exit_code"])
        raise WorkerError(f"stage {stage.name}: {otherwise}; run the same command again to resume")

    def _local(self, stage: Stage, step: UnitStep, tasks: int, markers: Path) -> None:
        executor = LocalPipelineExecutor([step], tasks, logging_dir=str(markers))
        ranks = executor.get_incomplete_ranks()
        if self.in_process:
            for rank in ranks:
                executor._run_for_rank(rank, 1)
                self._tell(stage)
            return
        pool = self._pool(wide=stage.wide)
        try:
            futures = [pool.submit(executor._run_for_rank, rank, 1) for rank in ranks]
            processes = multiprocessing.active_children()
            self._watch(stage, futures)
        except BrokenProcessPool:
            self._pools.pop(stage.wide)
            raise WorkerError(_why_dead(stage.name, processes)) from None

    def _watch(self, stage: Stage, futures: list[Future[Any]]) -> None:
        left: set[Future[Any]] = set(futures)
        while left:
            done, left = wait(left, _POLL_SECONDS, FIRST_EXCEPTION)
            for future in done:
                future.result()
            self._tell(stage)

    def _pool(self, *, wide: bool) -> ProcessPoolExecutor:
        if wide not in self._pools:
            workers = 1 if wide else self._workers()
            threads = max(1, cores() // workers)
            # Polars' allocator hands memory back at once, only to take it again soon after.
            os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:10000,muzzy_decay_ms:10000")
            # Spawned, not by a server: then this process is their parent, and they die with it.
            self._pools[wide] = ProcessPoolExecutor(
                workers, multiprocessing.get_context("spawn"), _start_worker, (os.getpid(), threads)
            )
        return self._pools[wide]

    def _slurm(self, stage: Stage, step: UnitStep, tasks: int, markers: Path) -> None:
        executor = _Slurm([step], tasks, self.how, stage, markers)
        try:
            executor.run()
        except FileNotFoundError:
            raise SettingsError("--executor slurm: there is no command sbatch here") from None
        except subprocess.CalledProcessError as error:
            self._blame(stage, f"sbatch ended with {error.returncode}; its logs are in {markers}")
        if executor.get_incomplete_ranks():
            self._blame(stage, f"Slurm left ranks unfinished; its logs are in {markers}")

    def _ray(self, stage: Stage, step: UnitStep, tasks: int, markers: Path) -> None:
        workers = 1 if stage.wide else self.how.workers or -1
        executor = RayPipelineExecutor(
            [step], tasks, workers, logging_dir=str(markers), mem_per_cpu_gb=0.001
        )
        executor.run()
        # It returns as if all were well when a rank has failed.
        if executor.get_incomplete_ranks():
            self._blame(stage, "Ray left ranks unfinished")

    def close(self) -> None:
        """Stop all workers at once."""
        for pool in self._pools.values():
            for process in list((pool._processes or {}).values()):
                process.kill()
            pool.shutdown(wait=True, cancel_futures=True)
        self._pools.clear()


@contextmanager
def started(
    how: Execution, work: Path, job: object, on_progress: Progress, *, in_process: bool
) -> Iterator[Engine]:
    """An engine whose workers end with the block, however it ends.

    ``in_process`` spares small builds the start of workers.
    """
    with ExitStack() as stack:
        if how.executor == "ray":
            stack.enter_context(_ray_started(how.ray_address))
        engine = Engine(how, work, pickle.dumps(job), on_progress, in_process)
        stack.callback(engine.close)
        yield engine


def _start_worker(parent: int, threads: int) -> None:
    """A worker dies with its parent, leaves Ctrl-C to it, and uses its share of the cores."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["POLARS_MAX_THREADS"] = str(threads)


def _why_dead(stage: str, processes: list[Any]) -> str:
    for process in processes:
        process.join(timeout=1)
    codes = [p.exitcode for p in processes if p.exitcode not in (None, 0)]
    signals = {signal.Signals(-code).name for code in codes if code < 0}
    why = f" by {', '.join(sorted(signals))}" if signals else ""
    return (
        f"a worker of stage {stage} was killed{why}. If memory ran out, give fewer --workers or "
        "more memory. Nothing finished is lost: run the same command again to resume"
    )


def _failure(work: Path, stage: str) -> Path:
    return work / "ranks" / f"{stage}-failure.json"


def _record(work: Path, stage: str, unit: int, error: Exception) -> None:
    """Leave word of a failure for a parent that cannot see exceptions."""
    code = error.exit_code if isinstance(error, SadError) else WorkerError.exit_code
    text = str(error) if isinstance(error, SadError) else f"unit {unit}: {error!r}"
    try:
        write_json(_failure(work, stage), {"message": text, "exit_code": code})
    except DataError:  # a full disk is told by the error itself
        return


class _Slurm(SlurmPipelineExecutor):  # type: ignore[misc]
    """One job array per stage; ``sbatch --wait`` returns when it has ended."""

    def __init__(
        self, pipeline: list[UnitStep], tasks: int, how: Execution, stage: Stage, markers: Path
    ) -> None:
        options = dict(option.partition("=")[::2] for option in how.sbatch)
        super().__init__(
            pipeline,
            tasks,
            time=options.pop("time", "24:00:00"),
            partition=options.pop("partition", ""),
            cpus_per_task=int(options.pop("cpus-per-task", "1")),
            mem_per_cpu_gb=4,
            workers=how.workers or -1,
            job_name=f"sad-{stage.name}",
            qos=options.pop("qos", ""),
            env_command=f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH",
            sbatch_args={"wait": "", **options},
            logging_dir=str(markers),
            mail_user=None,
            requeue=False,
            with_srun=False,
        )

    def get_sbatch_args(self, max_array: int = 1) -> dict[str, Any]:
        """The directives; those without a value that need one are left to the cluster."""
        found: dict[str, Any] = super().get_sbatch_args(max_array)
        return {k: v for k, v in found.items() if v or k == "wait"}

    def get_distributed_env(self, node_rank: int = -1) -> DistributedEnvVars:
        """One node: the list of nodes, for which the library would ask scontrol, is not needed."""
        nodes = os.environ.get("SLURM_NODELIST", "localhost")
        return DistributedEnvVars(
            datatrove_node_ips=nodes,
            datatrove_cpus_per_task=str(self.cpus_per_task),
            datatrove_mem_per_cpu=str(self.mem_per_cpu_gb),
            datatrove_gpus_on_node="0",
            datatrove_executor="SLURM",
        )

    def launch_merge_stats(self) -> None:
        """Nothing: the counts are merged by the build, not by another job."""


@contextmanager
def _ray_started(address: str | None) -> Iterator[None]:
    try:
        import ray
    except ImportError:
        raise MissingExtraError("ray", "ray") from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingsError(f"--ray-address {address}: {reason}") from None
    try:
        yield
    finally:
        ray.shutdown()
