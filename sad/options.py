"""Options of commands that run in stages: where they run and how much of it at once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Executor(StrEnum):
    """Where the stages run."""

    LOCAL = "local"
    SLURM = "slurm"
    RAY = "ray"


Where = Annotated[Executor, typer.Option("--executor", help="Where the stages run.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Ranks at once (dumps are read one by one). Default here: one per core, none for "
        "small inputs; with slurm and ray: as many as there are.",
    ),
]
Tasks = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Ranks of a stage. Default here: one per worker; with slurm and ray: one per shard, "
        "or per 512 utterances to label; at most 500.",
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        metavar="A", help="With ray; default: $RAY_ADDRESS, a Ray of this machine, or a new one."
    ),
]
Sbatch = Annotated[
    list[str] | None,
    typer.Option(metavar="K[=V]", help="With slurm, such as partition=cpu or time=4:00:00."),
]
