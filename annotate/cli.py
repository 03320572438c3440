"""Label utterances, judge labellers, aggregate votes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from sad.options import Executor, RayAddress, Sbatch, Tasks, Where, Workers

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Label utterances, judge labellers, aggregate votes.",
)


LabellerName = Annotated[
    str, typer.Option("--labeller", metavar="NAME", help="Such as best; see 'labellers'.")
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="K=V", help="A setting of the labeller.")
]
Built = Annotated[Path, typer.Argument(metavar="DIR", help="A built folder.")]
VoteFiles = Annotated[
    list[str] | None,
    typer.Option(metavar="F", help="Vote table instead of DIR/votes (repeatable), or 'sample'."),
]
NewFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder.")]


@app.command()
def labellers() -> None:
    """List the labellers.

    Example: sad annotate labellers
    """
    from annotate.labeller import PACKAGE
    from sad import plugins

    for name in plugins.names(PACKAGE):
        typer.echo(f"{name:14} {plugins.describe(f'{PACKAGE}.{name}')}")


@app.command()
def text(
    source: Annotated[
        Path, typer.Option("--in", exists=True, dir_okay=False, metavar="F.jsonl", help="Texts.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="F.jsonl", help="Labels.")],
    labeller: LabellerName = "best",
    assignments: Assignments = None,
) -> None:
    """Label lines {"id", "text"} of any text; only white space has no label.

    "topic" and "context" (the turns before) may be given as well; llm and stance_rules read the
    context.

    Example: sad annotate text --labeller best --in texts.jsonl --out labels.jsonl
    """
    from annotate.labeller import load
    from annotate.lines import label_lines
    from sad.console import progress

    by = load(labeller, assignments or ())
    with progress("labelling") as on_progress, _told(lambda: getattr(by, "usage", None)):
        n = label_lines(source, out, by, on_progress=on_progress)
    typer.echo(f"labelled {n:,} texts into {out}")


@app.command()
def label(
    folder: Built,
    labeller: LabellerName = "best",
    assignments: Assignments = None,
    workers: Workers = None,
    tasks: Tasks = None,
    executor: Where = Executor.LOCAL,
    ray_address: RayAddress = None,
    sbatch: Sbatch = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Go on where a labeller has no answer.")
    ] = False,
) -> None:
    """Cast a labeller's votes on every utterance of a built folder.

    Stopped, the same command goes on where it was; votes are added and never replaced.

    Example: sad annotate label built --labeller best
    """
    from annotate.run import label_folder, usage
    from sad.build.engine import Execution
    from sad.console import stage_bars

    how = Execution(executor.value, workers, tasks, ray_address, tuple(sbatch or ()))
    with stage_bars() as on_progress, _told(lambda: usage(labeller, assignments or ())):
        paths = label_folder(
            folder, labeller, assignments or (), how=how, allow_missing=allow_missing,
            on_progress=on_progress,
        )  # fmt: skip
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    typer.echo(f"wrote {paths[0]}{more}; next: sad annotate aggregate {folder} --method majority")


@app.command()
def aggregate(
    folder: Built,
    method: Annotated[
        str,
        typer.Option(help="majority, union, intersection, weighted, dawid-skene or mace."),
    ] = "majority",
    votes: VoteFiles = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=W", help="Of an annotator, for weighted (repeatable)."),
    ] = None,
) -> None:
    """Turn votes into one label set per utterance, and write the examples.

    Example: sad annotate aggregate built --method dawid-skene
    """
    from annotate.aggregate import run

    n = run(folder, method, _vote_files(votes), _weights(weight or []))
    typer.echo(
        f"{n:,} examples in {folder}; next: sad bench run --data {folder} --out RUN "
        "--model-args pretrained=MODEL"
    )


@app.command()
def agreement(
    votes: Annotated[
        list[str], typer.Argument(metavar="VOTES...", help="Vote tables, or 'sample'.")
    ],
    folder: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="The built folder, for intervals over threads."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="For agreement.json and a plot.")
    ] = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="Also annotator by annotator.")] = False,
) -> None:
    """How far annotators agree: kappa, alpha (also of sets), raw agreement, entropy.

    Without --data every utterance counts as a tree of its own.

    Example: sad annotate agreement sample --out agreed
    """
    from annotate import agreement_views as views
    from annotate import votes as vote_table
    from annotate.agreement import report
    from sad.console import print_rows
    from sad.files import write_json

    cast, trees = vote_table.read(_vote_files(votes)), None
    if folder:  # votes on utterances that a build dropped count nowhere
        trees = vote_table.trees(folder)
        cast = cast.join(trees, on="utterance_id", how="semi")
    found = report(cast, trees)
    print_rows("Agreement", views.COLUMNS, views.table(found))
    if pairs:
        print_rows("Pairs of annotators", views.PAIR_COLUMNS, views.pair_table(found))
    if out:
        views.plot(found, out / "agreement.svg")
        write_json(out / "agreement.json", views.to_json(found))
        typer.echo(f"wrote {out}/agreement.json and agreement.svg")


@app.command("sample")
def sample_(
    folder: Built,
    out: Annotated[Path, typer.Option("--out", metavar="F.csv", help="The plan.")],
    annotator: Annotated[
        list[str], typer.Option(metavar="NAME", help="Who shall label (repeatable).")
    ],
    n: Annotated[int, typer.Option("-n", min=1, help="Utterances, checks not counted.")] = 200,
    by: Annotated[
        str, typer.Option(help="mask, disagreement, uncertainty, rare or random.")
    ] = "mask",
    overlap: Annotated[float, typer.Option(help="Share that all annotators get.")] = 0.2,
    gold: Annotated[
        Path | None, typer.Option(metavar="F.jsonl", help="Gold, for hidden checks.")
    ] = None,
    checks: Annotated[float, typer.Option(help="Share of checks in each list.")] = 0.1,
    again: Annotated[bool, typer.Option("--again", help="Also what people labelled.")] = False,
    seed: Annotated[int, typer.Option(help="Of the choice.")] = 13,
) -> None:
    """Choose what people should annotate next, and who labels what.

    Example: sad annotate sample built --by disagreement -n 500 --annotator ann --annotator bob
    --out plan.csv
    """
    import polars as pl

    from annotate import votes as vote_table
    from annotate.gold import load as load_gold
    from annotate.sampling import choose
    from sad.files import atomic

    known = [item.id for item in load_gold(str(gold)).items] if gold else []
    files = vote_table.files(folder)
    cast = vote_table.read(files) if files else pl.DataFrame(schema=vote_table.VOTES)
    plan = choose(
        vote_table.texts(folder), cast, n, by=by, annotators=annotator, overlap=overlap,
        gold=checks if gold else 0.0, checks=known, again=again, seed=seed,
    )  # fmt: skip
    with atomic(out) as temporary:
        plan.write_csv(temporary)
    typer.echo(f"wrote {plan.height:,} tasks for {len(annotator)} annotators to {out}")


@app.command()
def evaluate(
    labeller: Annotated[
        str, typer.Option("--labeller", metavar="A,B", help="Labellers, with commas.")
    ],
    gold: Annotated[
        list[str],
        typer.Option(
            metavar="F.jsonl",
            help="Gold: a file, or sample, own-topics, own-batches (repeatable).",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="For metrics and plots.")],
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME.K=V", help="A setting of a labeller."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Judge by so many texts of each set, at random."),
    ] = None,
) -> None:
    """Judge labellers by gold labels: scores with intervals, calibration, plots.

    A line of a gold file is {"id", "text", "strategies", "labels_annotated"}, and may have
    "topic", "context", "group" (a tree: intervals are drawn over groups) and "stance".

    Example: sad annotate evaluate --labeller best,cues --gold sample --out judged
    """
    from annotate.evaluate import HEADER, answers, require, table, write
    from annotate.gold import load as load_gold
    from annotate.labeller import load
    from sad.console import print_rows, stage_bars

    names, settings = _named(labeller, assignments or [])
    if len(set(gold)) < len(gold):
        raise typer.BadParameter("--gold: name each set once")
    sets = [load_gold(name) for name in gold]
    sets = [each.some(limit) for each in sets] if limit else sets
    # Each is loaded again for its turn: models kept till then would fill the memory.
    require((load(name, settings[name]) for name in names), sets)
    found = []
    with stage_bars() as on_progress:
        for name in names:
            by = load(name, settings[name])
            with _told(lambda by=by: getattr(by, "usage", None)):  # type: ignore[misc]
                found += [
                    answers(by, each, partial(on_progress, f"{name}: {each.name}")) for each in sets
                ]
    print_rows("Scores (F1 of all labels is the macro mean)", HEADER, table(write(found, out)))
    typer.echo(f"wrote {out}/metrics.json and plots")


@app.command()
def project(
    corpus: Annotated[str, typer.Argument(help="causal_news, naslab or persuasion.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the corpus lies.")],
    out: Annotated[Path, typer.Option("--out", metavar="F.jsonl", help="The gold file.")],
) -> None:
    """Write the labels of another corpus as a gold file, as far as they are ours.

    Example: sad annotate project causal_news causal-news-corpus --out causal.jsonl
    """
    import json

    from sad import plugins
    from sad.files import atomic

    lines = list(plugins.load("annotate.projections", corpus).read(folder))
    with atomic(out) as temporary:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        temporary.write_text(text, encoding="utf-8")
    typer.echo(
        f"wrote {len(lines):,} texts to {out}; next: sad annotate evaluate --labeller best "
        f"--gold {out} --out judged"
    )


@app.command("train-encoder")
def train_encoder(
    out: NewFolder,
    settings: Annotated[
        Path | None, typer.Option(metavar="F.yaml", help="Settings of the training.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="F.jsonl", help="Labelled sentences; default: our training text."),
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="K=V", help="Such as mode=lora.")
    ] = None,
) -> None:
    """Train a multi-label encoder; its folder is what the labeller 'encoder' takes.

    The default trains a head on a frozen MiniLM in less than a minute; mode=lora and mode=full
    train more and better. A line of data is {"text", "strategies", "labels_annotated"}.

    Example: sad annotate train-encoder --out enc --set mode=lora --set fit.epochs=3
    """
    from annotate.encoder.train import TrainSettings, train
    from sad.console import print_rows, stage_bars
    from sad.settings import assign, read_yaml

    values = read_yaml(settings) if settings else {}
    values |= {"data": data} if data else {}
    parsed = TrainSettings.parse(assign(values, assignments or []), where="train-encoder")
    with stage_bars() as on_progress:
        record = train(parsed, out, lambda n, of: on_progress("training", n, of))
    told = record["validation"]
    header = ("label", *next(iter(told.values())))
    rows = [(label, *map(str, values.values())) for label, values in told.items()]
    print_rows("On the validation texts", header, rows)
    typer.echo(
        f"wrote {out}; next: sad annotate evaluate --labeller encoder --set encoder.folder={out} "
        "--gold sample --out judged"
    )


@contextmanager
def _told(usage: Callable[[], Any]) -> Iterator[None]:
    """What it took this process to ask language models is told at the end, however that comes."""
    import json

    try:
        yield
    finally:
        if told := usage():
            typer.echo(json.dumps(told, indent=1), err=True)


def _named(labellers: str, assignments: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The labellers of A,B and what NAME.K=V sets for each."""
    names = [name.strip() for name in labellers.split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise typer.BadParameter("--labeller: name each once, at least one")
    settings: dict[str, list[str]] = {name: [] for name in names}
    for assignment in assignments:
        name, dot, rest = assignment.partition(".")
        if not dot or name not in settings:
            raise typer.BadParameter(
                f"--set {assignment}: expected NAME.K=V, NAME one of {', '.join(names)}"
            )
        settings[name].append(rest)
    return names, settings


def _vote_files(names: list[str] | None) -> list[Path]:
    from sad.sample import VOTES

    return [VOTES if name == "sample" else Path(name) for name in names or ()]


def _weights(given: list[str]) -> dict[str, float]:
    weights = {}
    for text in given:
        name, _, number = text.rpartition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            weights[name] = -1.0
        if not name or not 0 <= weights[name] < float("inf"):
            raise typer.BadParameter(f"--weight {text}: expected NAME=W, W a number from 0")
    return weights
