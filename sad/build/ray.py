"""Stages on Ray. Exercised on one node that the tests start, never on a real cluster."""

from __future__ import annotations

import logging
import re
import socket
from pathlib import Path

from datatrove.executor import RayPipelineExecutor

from sad.build.engine import Tell, require_complete, ticking
from sad.build.units import Stage, UnitStep
from sad.errors import MissingExtraError, SettingsError

_GB = {True: 4, False: 1}
"""Memory reserved per rank by ``wide``; Ray schedules by it and enforces nothing. Source: ours."""
_PATIENCE_SECONDS = 5  # Ray itself tries for minutes


class Ray:
    """Runs a rank per Ray actor."""

    def __init__(self, address: str | None, workers: int | None) -> None:
        try:
            import ray
        except ImportError:
            raise MissingExtraError("ray", "ray") from None
        self._workers = workers
        _require_answer(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise SettingsError(f"--ray-address {address or '(none)'}: {reason}") from None

    def step(self, stage: Stage, work: Path, job: bytes) -> UnitStep:
        """The step of ``stage``."""
        return UnitStep(stage, work, job, threads=1)

    def run(self, stage: Stage, step: UnitStep, tasks: int, markers: Path, tell: Tell) -> None:
        """Run the ranks that have no marker."""
        workers = 1 if stage.wide else self._workers or -1
        executor = RayPipelineExecutor(
            [step], tasks, workers, logging_dir=str(markers), mem_per_cpu_gb=_GB[stage.wide]
        )
        with ticking(tell):
            executor.run()
        require_complete(executor, f"Ray left ranks unfinished; its logs are in {markers}")

    def close(self) -> None:
        """Leave Ray; a Ray that was started for this build ends."""
        import ray

        ray.shutdown()


def _require_answer(address: str | None) -> None:
    """Refuse an address ``host:port`` at which nobody listens."""
    found = re.fullmatch(r"(?:ray://)?(?P<host>[^/]+):(?P<port>\d+)", address or "")
    if not found:
        return
    try:
        socket.create_connection((found["host"], int(found["port"])), _PATIENCE_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise SettingsError(f"--ray-address {address}: no Ray answers there ({error})") from None
