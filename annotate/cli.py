"""Label utterances and aggregate votes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Label utterances and aggregate votes.",
)

LabellerName = Annotated[str, typer.Option("--labeller", metavar="NAME", help="Such as cues.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="K=V", help="A setting of the labeller.")
]
Built = Annotated[Path, typer.Argument(metavar="DIR", help="A built folder.")]


@app.command()
def text(
    labeller: LabellerName,
    source: Annotated[
        Path, typer.Option("--in", exists=True, dir_okay=False, metavar="F.jsonl", help="Texts.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="F.jsonl", help="Labels.")],
    assignments: Assignments = None,
) -> None:
    """Label lines {"id", "text"} of any text; nothing but white space has no label.

    Example: sad annotate text --labeller cues --in texts.jsonl --out labels.jsonl
    """
    from annotate.labeller import load
    from annotate.run import label_lines
    from sad.console import progress

    with progress("labelling") as on_progress:
        n = label_lines(source, out, load(labeller, assignments or ()), on_progress=on_progress)
    typer.echo(f"labelled {n:,} texts into {out}")


@app.command()
def label(folder: Built, labeller: LabellerName, assignments: Assignments = None) -> None:
    """Cast a labeller's votes on every utterance of a built folder.

    Example: sad annotate label built --labeller cues
    """
    from annotate.labeller import load
    from annotate.run import label_folder
    from sad.console import progress

    with progress("labelling") as on_progress:
        path = label_folder(folder, load(labeller, assignments or ()), on_progress=on_progress)
    typer.echo(f"wrote {path}; next: sad annotate aggregate {folder} --method majority")


@app.command()
def aggregate(
    folder: Built,
    method: Annotated[str, typer.Option(help="majority.")] = "majority",
    votes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="F", help="Vote table instead of DIR/votes (may be repeated), or 'sample'."
        ),
    ] = None,
) -> None:
    """Turn votes into one label set per utterance, and write the examples.

    Example: sad annotate aggregate built --method majority
    """
    from annotate.aggregate import run
    from sad.sample import VOTES

    files = [VOTES if name == "sample" else Path(name) for name in votes or ()]
    n = run(folder, method, files)
    typer.echo(
        f"{n:,} examples in {folder}; next: sad bench run --data {folder} --out RUN "
        "--model-args pretrained=MODEL"
    )
