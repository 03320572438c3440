"""The command ``sad``. It builds settings and calls one public function per command.

Groups of commands come from entry points named ``sad.commands`` and are imported only when used.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import typer.exceptions
from typer.core import TyperGroup

from sad import plugins
from sad.errors import SadError
from sad.options import Executor, RayAddress, Sbatch, Tasks, Where, Workers

_LISTS = ("--submissions", "--comments")  # options that take several files at once


class _LazyGroup(TyperGroup):
    """Our own commands and, imported only when used, those of other packages' entry points."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *sorted(_entry_points())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        own = super().get_command(ctx, cmd_name)
        if own is None and cmd_name in _entry_points():
            # For the list of commands: one line of help, which the source can tell unimported.
            line = plugins.describe(_entry_points()[cmd_name].module)
            return TyperGroup(name=cmd_name, help=line)
        return own

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        if name in _entry_points():
            command = typer.main.get_command(_entry_points()[name].load())
        return name, command, rest


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="sad.commands")}


app = typer.Typer(
    cls=_LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Build, annotate and benchmark Strategic Argumentative Dialogues. "
    "Start with: sad build --sample --out runs/sample",
)
models_app = typer.Typer(no_args_is_help=True, help="Small real models from PyPI packages.")
stats_app = typer.Typer(no_args_is_help=True, help="Figures of a built folder.")
sample_app = typer.Typer(no_args_is_help=True, help="Made-up dumps of any size.")
app.add_typer(models_app, name="models")
app.add_typer(sample_app, name="sample")
app.add_typer(stats_app, name="stats")

Built = Annotated[Path, typer.Argument(metavar="DIR", help="A built folder.")]
Out = Annotated[Path, typer.Option("--out", help="The folder to write.")]


def _plugin_names(package: str) -> str:
    """The plug-ins of ``package`` as a line of help; they are not imported."""
    return ", ".join(name.replace("_", "-") for name in plugins.names(package)) + "."


def _files(what: str) -> Any:
    return typer.Option(exists=True, dir_okay=False, metavar="F...", help=f"Dumps of {what}.")


AuthorKey = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Key of the speaker hashes; default: ~/.config/sad/author.key, made once.",
    ),
]
Takedown = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        metavar="FILE",
        help="Ids (t3_X, t1_X) and authors (u/NAME) that must not be in the build, one a line.",
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, metavar="YAML", help="Settings to change."),
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="K=V", help="Such as min_words=12.")
]
AllowTruncated = Annotated[
    bool, typer.Option("--allow-truncated", help="Keep the good lines of a damaged dump; counted.")
]
Fresh = Annotated[
    bool,
    typer.Option("--fresh/--resume", help="Start over, or go on with a build that stopped."),
]


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 2 usage, 3 settings, 4 data, 5 extra, 130 Ctrl-C."""
    arguments = _spread(list(sys.argv[1:] if argv is None else argv))
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("sad").setLevel(logging.INFO)
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="sad", standalone_mode=False)
    except SadError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("stopped; nothing is half-written, run the same command again", 130)
    except typer.exceptions.TyperException as error:
        _fail(_usage(error), 2)
    except OSError as error:  # such as standard output on a full disk
        _fail(f"{error.filename or 'output'}: {error.strerror}", 4)
    if code == 130:
        _fail("stopped; nothing is half-written, run the same command again", 130)
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: typer.exceptions.TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "sad"
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    return f"{message} (see: {command} --help)"


def _fail(message: str, code: int) -> NoReturn:
    shown = re.sub(r"[\x00-\x1f\x7f-\x9f]", "\ufffd", " ".join(message.split()))
    sys.stderr.write(f"sad: {shown}\n")
    sys.exit(code)


def _spread(arguments: list[str]) -> list[str]:
    """``--comments A B`` as ``--comments A --comments B``, which is what the parser knows."""
    spread: list[str] = []
    option = None
    for argument in arguments:
        if argument.startswith("-"):
            option = argument if argument in _LISTS else None
        elif option and spread[-1] != option:
            spread.append(option)
        spread.append(argument)
    return spread


@app.command()
def build(
    out: Out,
    submissions: Annotated[list[Path] | None, _files("submissions")] = None,
    comments: Annotated[list[Path] | None, _files("comments")] = None,
    threads: Annotated[Path | None, typer.Option(help="A thread folder.", metavar="DIR")] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Build the sample.")] = False,
    settings: SettingsFile = None,
    assignments: Assignments = None,
    rules: Annotated[str, typer.Option(help="paper, or none to keep every node.")] = "paper",
    author_key: AuthorKey = None,
    takedown: Takedown = None,
    allow_truncated: AllowTruncated = False,
    workers: Workers = None,
    tasks: Tasks = None,
    executor: Where = Executor.LOCAL,
    ray_address: RayAddress = None,
    sbatch: Sbatch = None,
    fresh: Fresh = False,
) -> None:
    """Turn threads into dialogues.

    A build that was stopped goes on where it was when the command is given again. The result never
    depends on workers, tasks and executor.

    Example: sad build --submissions RS.zst --comments RC.zst --out built
    """
    from sad.build import authors
    from sad.build.engine import Execution
    from sad.build.pipeline import build as run
    from sad.build.sources import source_of
    from sad.console import print_funnel, stage_bars

    if sum([bool(submissions or comments), threads is not None, sample]) != 1 or (
        bool(submissions) != bool(comments)
    ):
        raise typer.BadParameter(
            "give one source: --submissions F... with --comments F..., --threads DIR, or --sample"
        )
    source = (
        _sample()
        if sample
        else source_of(submissions, comments, threads, allow_truncated=allow_truncated)
    )
    key: bytes | Path = authors.SAMPLE_KEY
    if not sample or author_key:
        key = authors.key_file(author_key)
    how = Execution(executor.value, workers, tasks, ray_address, tuple(sbatch or ()))
    with stage_bars() as on_progress:
        counts = run(
            source, out, _resolved(rules, settings, assignments or [], sample=sample), key,
            taken_down=takedown, how=how, fresh=fresh, on_progress=on_progress,
        )  # fmt: skip
    print_funnel(counts)
    if not counts["paths"]["dialogues"]:
        typer.echo("no dialogue is left: the funnel above says where they went", err=True)
    typer.echo(f"built {out}; next: sad annotate label {out}")


def _sample() -> Any:
    from sad.sample import DUMPS

    return DUMPS


def _resolved(rules: str, file: Path | None, assignments: list[str], *, sample: bool) -> Any:
    """The settings of a build: of the sample, of ``file``, and of the command line."""
    from sad.build.settings import resolve
    from sad.sample import SETTINGS
    from sad.settings import merge, read_yaml

    changes = read_yaml(file) if file else {}
    if sample:
        changes = merge(read_yaml(SETTINGS), changes)
    return resolve(rules, changes, assignments)


@app.command("import")
def import_(
    form: Annotated[str, typer.Argument(help=_plugin_names("sad.importers"))],
    source: Annotated[Path, typer.Argument(metavar="IN", exists=True)],
    out: Out,
) -> None:
    """Turn another source into a thread folder.

    Example: sad import tree conversation.json --out threads
    """
    from sad import importers
    from sad.console import stages

    with stages() as on_stage:
        on_stage("importing")
        counts = importers.run(form.replace("-", "_"), source, out)
    typer.echo(", ".join(f"{n:,} {what}" for what, n in counts.items()))
    typer.echo(f"imported into {out}; next: sad build --threads {out} --out DIR")


@app.command()
def export(
    form: Annotated[str, typer.Argument(help=_plugin_names("sad.export"))],
    source: Annotated[
        Path, typer.Argument(metavar="THREADS_OR_BUILT", exists=True, file_okay=False)
    ],
    out: Out,
) -> None:
    """Write a thread folder or a build in another form.

    Example: sad export pushshift threads --out dump
    """
    from sad import export as exporters

    counts = plugins.load(exporters.__name__, form.replace("-", "_")).run(source, out)
    typer.echo(f"wrote {out}: " + ", ".join(f"{n:,} {what}" for what, n in counts.items()))


@stats_app.command("build")
def stats_build(
    folder: Built,
    plots: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Also write plots (SVG) there.")
    ] = None,
) -> None:
    """Print the funnel, the sizes beside the paper's, and how strategies are used.

    Example: sad stats build built --plots plots
    """
    from sad.console import print_funnel, print_notes, print_sizes, print_usage
    from sad.stats import funnel, usage

    print_funnel(funnel.counts(folder))
    print_sizes(funnel.sizes(folder))
    print_notes(funnel.notes(folder), funnel.largest_groups(folder))
    print_usage(usage.strategies(folder))
    if plots:
        from sad.stats.plots import write_plots

        typer.echo("wrote " + ", ".join(map(str, write_plots(folder, plots))))


@app.command()
def show(
    folder: Built,
    name: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A dialogue, thread or utterance id.")
    ] = None,
) -> None:
    """Print a dialogue or a thread, with coloured strategies; without ID, what there is.

    Example: sad show built t3_4rl42j
    """
    from sad.console import print_listing, print_utterances
    from sad.show import find, listing

    if name is None:
        print_listing(listing(folder))
    else:
        print_utterances(*find(folder, name))


@app.command()
def validate(folder: Built) -> None:
    """Check every promise of the format; exit 4 if one is broken.

    Example: sad validate built
    """
    from sad.errors import DataError
    from sad.validate import checks

    broken = 0
    for name, fault in checks(folder):
        typer.echo(
            f"{'ok    ' if fault is None else 'BROKEN'} {name}" + (f": {fault}" if fault else "")
        )
        broken += fault is not None
    if broken:
        raise DataError(folder, f"{broken} promises of the format are broken; build it again")


@app.command()
def doctor() -> None:
    """Report versions, extras, models, clashes of import names, and GPU."""
    from sad.doctor import report

    for line in report():
        typer.echo(line)


@sample_app.command("generate")
def sample_generate(
    nodes: Annotated[int, typer.Option(min=1, help="Posts and comments in trees.")],
    out: Out,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    noise: Annotated[
        float, typer.Option(min=0, max=1, help="0: none; 0.2 resembles real dumps.")
    ] = 0.2,
    nodes_per_tree: Annotated[float, typer.Option(min=2, help="Mean size of a tree.")] = 61.0,
) -> None:
    """Write a made-up dump and the counts that a build of it must find.

    Example: sad sample generate --nodes 100000 --seed 1 --out made
    """
    from sad.console import progress
    from sad.sample.generate import generate

    with progress("generating") as on_progress:
        generate(out, nodes, seed, noise, nodes_per_tree, on_progress)
    typer.echo(
        f"wrote {out}/RS.zst, {out}/RC.zst and {out}/expected.json; next: sad build "
        f"--submissions {out}/RS.zst --comments {out}/RC.zst --out DIR"
    )


@models_app.command("fetch")
def models_fetch(name: Annotated[str, typer.Argument(help="smollm2 or minilm.")]) -> None:
    """Download a model, check its digest, convert it once, and print its folder.

    Example: sad models fetch smollm2
    """
    from sad import models

    typer.echo(models.fetch(name))


@models_app.command("path")
def models_path(name: Annotated[str, typer.Argument(help="smollm2 or minilm.")]) -> None:
    """Print the folder of a fetched model.

    Example: --model-args pretrained=$(sad models path smollm2)
    """
    from sad import models
    from sad.errors import ModelError

    folder = models.path(name)
    if not folder.exists():
        raise ModelError(f"{name} is not fetched yet; run: sad models fetch {name}")
    typer.echo(folder)
