"""The build: from a source of threads to a folder of dialogues, stage by stage.

A stage reads files and leaves files (``engine``), so a build that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from sad.build import authors, choose, partition, trees, write
from sad.build import folder as built
from sad.build.engine import Engine, Execution, Progress, started
from sad.build.job import Job, entries, listed_digest
from sad.build.settings import BuildSettings
from sad.build.sources import Source
from sad.build.stages import IN_ORDER
from sad.build.threads import LOST
from sad.build.units import counts_of
from sad.errors import DataError, SettingsError
from sad.files import read_json, remove, sha256, told_errors, write_json, write_text
from sad.release.card import write_card
from sad.settings import read_yaml

log = logging.getLogger(__name__)

Counts = dict[str, dict[str, Any]]
Secret = TypeVar("Secret")

_SMALL_BYTES = 8 << 20
"""Inputs below that are built in this process, where the start of workers would cost the most."""


def build(
    source: Source,
    out: Path,
    settings: BuildSettings,
    key: bytes | Path,
    *,
    taken_down: frozenset[str] | Path | None = frozenset(),
    how: Execution = Execution(),
    fresh: bool = False,
    on_progress: Progress = lambda *_: None,
) -> Counts:
    """The counts per stage of the finished build in ``out``.

    A finished build with the same settings, input, takedown list and key is left as it is; an
    unfinished one is resumed. ``key`` and ``taken_down`` are values or the files that hold them;
    ``fresh`` forgets whatever is in ``out``.

    Raises:
        SettingsError: ``out`` was built from something else, or is not ours.
        DataError: the input cannot be read or the folder cannot be written.
        WorkerError: a worker failed or was killed; the same call resumes.
    """
    _refuse_foreign(out)
    _require_files(how, key, taken_down)
    source, out = source.absolute(), out.absolute()
    with built.locked(out):
        on_progress("checking the input", 0, 0)
        secret = key if isinstance(key, bytes) else authors.read_key(key, out, make=True)
        digests = _digests(source)
        manifest = _manifest(digests, secret, entries(taken_down))
        if fresh:
            (out / ".run" / "done").unlink(missing_ok=True)
        elif _is_done(out, settings, manifest):
            log.info("%s is already built with these settings", out)
            remove(out / ".run" / "work")
            return built.counts(out)
        work = _work(out, settings, manifest, [*source.form(), *digests], fresh=fresh)
        job = Job(source, settings, out, work, _whole(key), _whole(taken_down), manifest)
        small = sum(path.stat().st_size for path in source.files()) < _SMALL_BYTES
        in_process = how.is_local and how.workers is None and small
        with started(how, work, job, on_progress, in_process=in_process) as engine:
            counts = _run(engine, job)
        on_progress("finishing", 0, 0)
        with told_errors(out):
            write.publish(job)
        write_json(out / ".run" / "counts.json", counts)
        write_card(out, labelled=False)
        write_text(out / ".run" / "done", settings.digest() + "\n")
        built.note(out, f"built {counts['paths']['dialogues']} dialogues")
        remove(out / ".run" / "work")
        return counts


def _whole(secret: Secret) -> Secret:
    return secret.absolute() if isinstance(secret, Path) else secret


def _require_files(
    how: Execution, key: bytes | Path, taken_down: frozenset[str] | Path | None
) -> None:
    """Slurm and Ray write the job to a disk, where no secret belongs."""
    told = {"author key": key != authors.SAMPLE_KEY and isinstance(key, bytes)}
    told["takedown list"] = isinstance(taken_down, frozenset) and bool(taken_down)
    for name, is_value in told.items():
        if is_value and how.executor != "local":
            raise SettingsError(f"--executor {how.executor}: give the {name} as a file")


def _work(
    out: Path, settings: BuildSettings, manifest: dict[str, Any], order: list[str], *, fresh: bool
) -> Path:
    """The folder to work in; what an other build left is removed.

    Its name tells apart all that the stages depend on, the order of files included: units are
    numbered by it.
    """
    whole = json.dumps([settings.dump(), manifest, order], sort_keys=True, default=str)
    work = out / ".run" / "work" / hashlib.sha256(whole.encode()).hexdigest()[:16]
    run = out / ".run"
    if work.is_dir() and not fresh:
        log.info("resuming the build in %s", out)
        return work
    remove(run / "work")
    for folder in (
        *(out / table for table in built.TABLES),
        run / "dropped",
        run / built.STRUCTURE,
    ):
        remove(folder)
    (run / built.LABELS_RECORD).unlink(missing_ok=True)
    write_text(run / "settings.yaml", settings.to_yaml())
    write_json(run / "manifest.json", manifest)
    work.mkdir(parents=True)
    return work


def _run(engine: Engine, job: Job) -> Counts:
    """Run all stages; the counts of the build."""
    with ThreadPoolExecutor(1) as aside:
        for make in IN_ORDER:
            stage = make(job)
            built.note(job.out, stage.name)
            engine.run(stage)
            if make is choose.stage:
                # Gigabytes take the system a while; meanwhile the workers write.
                aside.submit(partition.forget_rows, job)
    chosen = next(counts_of(job.work, choose.stage(job)))
    tree = _sum(counts_of(job.work, trees.stage(job)))
    table = _sum(counts_of(job.work, write.stage(job)))
    return {
        "read": job.source.counts(partition.read_counts(job)),
        **_of_trees(tree),
        "paths": _stage(
            tree["paths"], chosen["dialogues"], tree["paths_dropped"] | chosen["dropped"],
            paths=tree["paths"],
            **{k: chosen[k] for k in chosen if k not in ("dropped", "splits")},
        ),
        "utterances": _stage(
            tree["kept"], table["utterances"],
            {"in_no_dialogue": tree["kept"] - table["utterances"]},
            matched_pairs=table["matched_pairs"],
        ),
        "splits": _stage(chosen["dialogues"], chosen["dialogues"], {}, **chosen["splits"]),
    }  # fmt: skip


def _of_trees(tree: dict[str, Any]) -> Counts:
    lost = {name: tree["threads"][name] for name in ("duplicates", *LOST)}
    known = {name: n for name, n in tree["threads"].items() if name != "seen"}
    return {
        "threads": _stage(tree["threads"]["seen"], tree["nodes"], lost, **known),
        "nodes": _stage(
            tree["nodes"], tree["kept"], dict(sorted(tree["dropped"].items())),
            changed=tree["changed"], threads_without_time=tree["threads_without_time"],
        ),
    }  # fmt: skip


def _sum(units: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The counts of all units added up, also those within a count."""
    total: dict[str, Any] = {}
    for counts in units:
        for name, value in counts.items():
            if isinstance(value, dict):
                known = total.get(name, {})
                total[name] = {k: known.get(k, 0) + value.get(k, 0) for k in {**known, **value}}
            else:
                total[name] = total.get(name, 0) + value
    return total


def _stage(seen: int, kept: int, dropped: dict[str, int], **more: Any) -> dict[str, Any]:
    return {"seen": seen, "kept": kept, "dropped": dropped, **more}


def _refuse_foreign(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise SettingsError(f"{out} is a file; --out must be a folder")
    if out.is_dir() and not (out / ".run").is_dir() and any(out.iterdir()):
        raise SettingsError(f"{out} holds something that is not a build; choose another folder")


def _digests(source: Source) -> list[str]:
    """The digest of each file of ``source``, in order."""
    for path in source.files():
        if not path.is_file():
            raise DataError(path, "is missing")
    return [sha256(path) for path in source.files()]


def _manifest(inputs: list[str], key: bytes, listed: frozenset[str]) -> dict[str, Any]:
    return {
        "inputs": sorted(inputs),
        "takedown": listed_digest(listed, key),
        "author_key": authors.key_digest(key),
        "versions": {
            "sad-dialogue": version("sad-dialogue"),
            "polars": pl.__version__,
            "python": platform.python_version(),
        },
    }


def _is_done(out: Path, settings: BuildSettings, manifest: dict[str, Any]) -> bool:
    """Whether ``out`` holds this very build; refuses one that was made of something else.

    A build that was not finished holds nothing to lose.
    """
    run = out / ".run"
    if not (run / "done").exists():
        return False
    old, new = read_yaml(run / "settings.yaml"), settings.dump()
    others = sorted(k for k in old.keys() | new.keys() if old.get(k) != new.get(k))
    before = read_json(run / "manifest.json")
    others += [k for k in ("inputs", "takedown", "author_key") if before.get(k) != manifest[k]]
    ours = "sad-dialogue"
    if before["versions"][ours] != manifest["versions"][ours]:
        others.append(f"version of {ours} ({before['versions'][ours]})")
    if others:
        names = ", ".join(others)
        raise SettingsError(
            f"{out} was built with other {names}; choose another --out, or --fresh to build anew"
        )
    return True
