"""Evaluate models on the tasks and report scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Evaluate models on the tasks.",
)


@app.command()
def path() -> None:
    """Print the folder of the tasks, for lm-eval's --include_path.

    Example: lm-eval run --tasks sad --include_path "$(sad bench path)" ...
    """
    from importlib.util import find_spec

    spec = find_spec("benchmarks")
    locations = spec.submodule_search_locations if spec else None
    typer.echo(Path(next(iter(locations or []))) / "tasks")


@app.command()
def run(
    out: Annotated[Path, typer.Option("--out", help="The folder to write.")],
    model: Annotated[str, typer.Option(help="A model class of lm-eval.")] = "hf",
    model_args: Annotated[str, typer.Option(help="Its arguments, a=1,b=2.")] = "",
    tasks: Annotated[str, typer.Option(help="Tasks or groups, joined by commas.")] = "sad",
    limit: Annotated[int | None, typer.Option(min=1, help="Documents per task.")] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A labelled folder; default: the sample.")
    ] = None,
    split: Annotated[
        str, typer.Option(help="train, validation, test; auto: test, or the largest if empty.")
    ] = "auto",
    batch_size: Annotated[str, typer.Option(help="A number, or auto.")] = "8",
    device: Annotated[
        str | None, typer.Option(help="Such as cpu; default: a GPU if there is one.")
    ] = None,
    apply_chat_template: Annotated[
        bool, typer.Option("--apply-chat-template", help="Prompt as a chat.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of every random generator.")] = 1234,
) -> None:
    """Evaluate a model; the same command again goes on, or is done at once.

    Example: sad bench run --model-args pretrained=$(sad models path smollm2),dtype=bfloat16
    --limit 8 --out runs/smollm2
    """
    from benchmarks.runner import RunSettings
    from benchmarks.runner import run as evaluate
    from benchmarks.table import print_scores

    settings = RunSettings.parse(
        {
            "model": model,
            "model_args": model_args,
            "tasks": [task.strip() for task in tasks.split(",") if task.strip()],
            "limit": limit,
            "split": split,
            "batch_size": batch_size,
            "device": device,
            "apply_chat_template": apply_chat_template,
            "seed": seed,
        }
    )
    print_scores([evaluate(settings, str(data) if data else None, out)])
    typer.echo(f"evaluated in {out}; next: sad bench report {out} --out report.html")


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option("--out", metavar="F.html", help="The page to write.")],
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The built folder to show; default: that of the runs."),
    ] = None,
) -> None:
    """Write one self-contained page: data, labels, scores with intervals, plots.

    Example: sad bench report runs/smollm2 runs/other --out report.html
    """
    from benchmarks import runs
    from benchmarks.report import write_report
    from benchmarks.table import print_scores

    found = [runs.read(folder) for folder in folders]
    print_scores(found)
    write_report(found, out, data)
    typer.echo(f"wrote {out}")
