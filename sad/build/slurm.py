"""Stages as job arrays of Slurm. Exercised by a stand-in for sbatch, never on a real cluster."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from datatrove.executor import SlurmPipelineExecutor
from datatrove.executor.base import DistributedEnvVars

from sad.build.engine import Tell, Unfinished, require_complete, ticking
from sad.build.units import Stage, UnitStep
from sad.errors import SettingsError

_GB = {True: 8, False: 4}
"""Memory per core by ``wide``. A dump's window takes 2 GiB, a shard about 0.5. Source: ours."""


class Slurm:
    """Submits one job array per stage and waits for it."""

    def __init__(self, options: tuple[str, ...], workers: int | None) -> None:
        self._options = dict(option.partition("=")[::2] for option in options)
        self._workers = workers
        self._job = ""  # the name of the array that may be running
        cores = self._options.pop("cpus-per-task", "1")
        if not cores.isdecimal() or int(cores) < 1:
            raise SettingsError(f"--sbatch cpus-per-task={cores}: give a number of cores")
        self._cores = int(cores)

    def step(self, stage: Stage, work: Path, job: bytes) -> UnitStep:
        """The step of ``stage``."""
        return UnitStep(stage, work, job, self._cores)

    def run(self, stage: Stage, step: UnitStep, tasks: int, markers: Path, tell: Tell) -> None:
        """Submit the ranks that have no marker, and wait for them."""
        # A name of its own, since sbatch says the number of a job only when it has ended.
        self._job = f"sad-{stage.name}-{hashlib.sha1(step.work.encode()).hexdigest()[:8]}"
        self.close()  # an array of a command that was killed may still be running
        executor = _Executor(
            [step],
            tasks,
            time="24:00:00",
            partition="",
            cpus_per_task=self._cores,
            mem_per_cpu_gb=_GB[stage.wide],
            workers=self._workers or -1,
            job_name=self._job,
            qos="",
            env_command=f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH",
            sbatch_args=self._options,
            logging_dir=str(markers),
            requeue=False,
            with_srun=False,
        )
        logs = f"its logs are in {markers}; for more memory: --sbatch mem-per-cpu=16G"
        try:
            with ticking(tell):
                executor.launch_job()
        except subprocess.CalledProcessError as error:
            raise Unfinished(f"sbatch ended with {error.returncode}; {logs}") from None
        self._job = ""
        require_complete(executor, f"Slurm left ranks unfinished; {logs}")

    def close(self) -> None:
        """Cancel the array that may still be running."""
        if self._job and shutil.which("scancel"):
            subprocess.run(["scancel", f"--name={self._job}"], check=False, capture_output=True)


class _Executor(SlurmPipelineExecutor):  # type: ignore[misc]
    """Waits for its arrays (``sbatch --wait``) and asks the cluster for nothing else."""

    def get_sbatch_args(self, max_array: int = 1) -> dict[str, Any]:
        """The directives; those that nobody gave a value are left to the cluster."""
        ours: dict[str, Any] = super().get_sbatch_args(max_array)
        found = {name: value for name, value in ours.items() if value or name in self._sbatch_args}
        if "mem" in found:  # Slurm takes one or the other
            del found["mem-per-cpu"]
        return found | {"wait": ""}

    def get_distributed_env(self, node_rank: int = -1) -> DistributedEnvVars:
        """One node: the list of nodes, for which the library would ask scontrol, is not needed."""
        return DistributedEnvVars(
            datatrove_node_ips=os.environ.get("SLURM_NODELIST", "localhost"),
            datatrove_cpus_per_task=str(self.cpus_per_task),
            datatrove_mem_per_cpu=str(self.mem_per_cpu_gb),
            datatrove_gpus_on_node="0",
            datatrove_executor="SLURM",
        )

    def launch_merge_stats(self) -> None:
        """Nothing: the counts are merged by the build, not by another job."""
