"""What a rank of a stage does: units of work, each of which leaves a folder.

The folder is renamed to its place only when all in it is on the disk, so that a kill at any moment
costs the units at work and nothing else.

This module and what it imports stay free of polars, whose threads do not survive the fork by which
Ray's workers begin: a stage imports its code when it runs.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import pickle
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatrove.pipeline.base import PipelineStep

from sad.errors import DataError, SadError, WorkerError
from sad.files import read_json, settle, temporary_folder, told_errors, write_json

COUNTS = "counts.json"
RESUME = "nothing finished is lost: run the same command again, without --fresh, to resume"
SHORT_OF_MEMORY = "give fewer --workers, a smaller shard_rows, or more memory"
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG

Make = Callable[[Any, int, Path], None]


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

    def __init__(self, stage: Stage, work: Path, job: bytes, threads: int | None = None) -> None:
        super().__init__()
        self.name, self.call, self.units = stage.name, stage.call, stage.units
        self.work, self.job = str(work), job
        self.threads = threads  # of polars; None: in a process that is set up already

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> None:
        """Make the units of ``rank`` that are not there yet."""
        if self.threads:
            die_with_parent()
            os.environ |= {n: str(self.threads) for n in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS")}
        module, _, function = self.call.partition(":")
        make: Make = getattr(importlib.import_module(module), function)
        job = pickle.loads(self.job)  # noqa: S301  packed by this very process or its parent
        settled: Future[None] | None = None
        with ThreadPoolExecutor(1) as settler:
            for unit in range(rank, self.units, world_size):
                place = folder_of(Path(self.work), self.name, unit)
                if place.exists():
                    continue
                with self.track_time("unit"), self._told(unit, place):
                    folder = _made(make, job, unit, place)
                # The disk takes this unit in while the next one is computed.
                before, settled = settled, settler.submit(self._settle, unit, folder, place)
                if before:
                    before.result()
            if settled:
                settled.result()

    def _settle(self, unit: int, folder: Path, place: Path) -> None:
        with self._told(unit, place):
            try:
                settle(folder, place)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _told(self, unit: int, place: Path) -> Iterator[None]:
        """What fails within is one of our errors where it can be, and is written down."""
        work = Path(self.work)
        try:
            with told_errors(place):
                yield
        except MemoryError as error:
            message = f"stage {self.name}: out of memory; {SHORT_OF_MEMORY}; {RESUME}"
            _record(work, self.name, unit, WorkerError(message))
            raise WorkerError(message) from error
        except Exception as error:
            _record(work, self.name, unit, error)
            raise


def _made(make: Make, job: Any, unit: int, place: Path) -> Path:
    folder = temporary_folder(place)
    try:
        make(job, unit, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def die_with_parent() -> None:
    """Ask the system to kill this process when the one that started it ends."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def folder_of(work: Path, stage: str, unit: int) -> Path:
    """Where a unit of a stage leaves its results."""
    return work / stage / f"{unit:05d}"


def missing(work: Path, stage: Stage) -> list[int]:
    """The units of ``stage`` whose folders are not there."""
    return [unit for unit in range(stage.units) if not folder_of(work, stage.name, unit).exists()]


def counts_of(work: Path, stage: Stage) -> Iterator[dict[str, Any]]:
    """What each unit of ``stage`` counted."""
    for unit in range(stage.units):
        yield read_json(folder_of(work, stage.name, unit) / COUNTS)


def write_counts(folder: Path, counts: dict[str, Any]) -> None:
    """Leave ``counts`` in the folder of a unit."""
    (folder / COUNTS).write_text(json.dumps(counts))


def failure(work: Path, stage: str) -> Path:
    """Where a rank of ``stage`` leaves word of its failure."""
    return work / "ranks" / f"{stage}-failure.json"


def _record(work: Path, stage: str, unit: int, error: Exception) -> None:
    """Leave word of a failure for a parent that cannot see exceptions."""
    code = error.exit_code if isinstance(error, SadError) else WorkerError.exit_code
    text = str(error) if isinstance(error, SadError) else f"unit {unit}: {type(error).__name__}"
    try:
        write_json(failure(work, stage), {"message": text, "exit_code": code})
    except DataError:  # a full disk is told by the error itself
        return
