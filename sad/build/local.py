"""Stages on this machine: in this process, or in workers that die with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from datatrove.executor import LocalPipelineExecutor

from sad.build.engine import POLL_SECONDS, Tell, cores, ticking
from sad.build.units import RESUME, SHORT_OF_MEMORY, Stage, UnitStep, die_with_parent
from sad.errors import WorkerError

_MANY = 40
"""Units of a large stage: idle workers of such builds hold memory that others need. Small builds
keep them, which spares the time to start new ones."""


class InProcess:
    """Runs the ranks one after another in this process."""

    def step(self, stage: Stage, work: Path, job: bytes) -> UnitStep:
        """The step of ``stage``."""
        return UnitStep(stage, work, job)

    def run(self, stage: Stage, step: UnitStep, tasks: int, markers: Path, tell: Tell) -> None:
        """Run the ranks that have no marker."""
        executor = LocalPipelineExecutor([step], tasks, logging_dir=str(markers))
        with ticking(tell):  # a rank may take hours
            for rank in executor.get_incomplete_ranks():
                executor._run_for_rank(rank, 1)
                tell()

    def close(self) -> None:
        """Nothing is running."""


class Local(InProcess):
    """Runs ranks in worker processes: ``workers`` for the shards, another one for wide stages."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pools: dict[bool, ProcessPoolExecutor] = {}
        self._is_large = False

    def run(self, stage: Stage, step: UnitStep, tasks: int, markers: Path, tell: Tell) -> None:
        """Run the ranks that have no marker.

        Raises:
            SadError: a rank failed, or its worker was killed.
        """
        executor = LocalPipelineExecutor([step], tasks, logging_dir=str(markers))
        workers = 1 if stage.wide else self._workers
        self._is_large |= stage.units > _MANY
        if self._is_large and (idle := self._pools.pop(not stage.wide, None)):
            _stop(idle)
        pool = self._pool(workers, wide=stage.wide)
        processes: set[BaseProcess] = set((pool._processes or {}).values())
        try:
            with _start_of_workers(max(1, cores() // workers)):
                ranks = executor.get_incomplete_ranks()
                futures = [pool.submit(executor._run_for_rank, rank, 1) for rank in ranks]
            processes |= set((pool._processes or {}).values())
            _watch(futures, tell)
        except BrokenProcessPool:
            self._pools.pop(stage.wide)
            raise WorkerError(_why_dead(stage.name, processes)) from None

    def _pool(self, workers: int, *, wide: bool) -> ProcessPoolExecutor:
        if wide not in self._pools:
            # Spawned, not by a server: then this process is their parent, and they die with it.
            self._pools[wide] = ProcessPoolExecutor(
                workers, multiprocessing.get_context("spawn"), _start_worker, (os.getpid(),)
            )
        return self._pools[wide]

    def close(self) -> None:
        """Stop all workers at once."""
        for pool in self._pools.values():
            _stop(pool)
        self._pools.clear()


def _stop(pool: ProcessPoolExecutor) -> None:
    for process in list((pool._processes or {}).values()):
        process.kill()
    pool.shutdown(wait=True, cancel_futures=True)


def _watch(futures: list[Future[Any]], tell: Tell) -> None:
    left: set[Future[Any]] = set(futures)
    while left:
        done, left = wait(left, POLL_SECONDS, FIRST_EXCEPTION)
        for future in done:
            future.result()
        tell()


@contextmanager
def _start_of_workers(threads: int) -> Iterator[None]:
    """Workers that start within use ``threads`` cores, and leave Ctrl-C to this process."""
    own = {
        "POLARS_MAX_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),  # of torch: more than there are cores wait for each other
        "TOKENIZERS_PARALLELISM": "false",
        # Polars' allocator hands memory back at once, only to take it again soon after.
        "_RJEM_MALLOC_CONF": "dirty_decay_ms:10000,muzzy_decay_ms:10000",
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        with _interrupts_held():
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits for the end of the block; processes that start within never see it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if came:
        raise KeyboardInterrupt


def _start_worker(parent: int) -> None:
    die_with_parent()
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def _why_dead(stage: str, processes: set[BaseProcess]) -> str:
    for process in processes:
        process.join(timeout=1)
    codes = [p.exitcode for p in processes if p.exitcode not in (None, 0)]
    signals = {signal.Signals(-code).name for code in codes if code and code < 0}
    why = f" by {', '.join(sorted(signals))}" if signals else ""
    return (
        f"a worker of stage {stage} was killed{why}. If memory ran out, {SHORT_OF_MEMORY}; {RESUME}"
    )
