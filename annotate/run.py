"""Labelling built folders: in parts, on the executors of the build, restartable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from annotate import votes
from annotate.labeller import Item, Label, Labeller, Side, load
from annotate.lines import spans_of
from sad.build import folder as built
from sad.build.engine import Execution, Progress, started
from sad.build.frames import put_parquet
from sad.build.split import SPLITS
from sad.build.units import Stage, counts_of, folder_of, write_counts
from sad.errors import ModelError
from sad.files import read_json, remove, sha256, told_errors, write_json
from sad.types import STRATEGY_LABELS

PART = 512
"""Utterances of a unit of work: a kill costs the units at work."""
_VOTES = "votes.parquet"
_VOTED = "voted.json"
_FEW = 4  # parts that are labelled in this process: the start of workers would cost more


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker must know: which folder, which labeller, and the parts (shard, first row)."""

    folder: Path
    labeller: str
    assignments: tuple[str, ...]
    parts: tuple[tuple[int, int], ...]


def label_folder(
    folder: Path,
    name: str,
    assignments: Sequence[str] = (),
    *,
    how: Execution = Execution(),
    allow_missing: bool = False,
    on_progress: Progress = lambda *_: None,
) -> list[Path]:
    """Cast the votes of the labeller ``name`` on every utterance of ``folder``; the tables written.

    A run that was stopped goes on where it was, and a finished one is left as it is. Neither parts
    nor workers show in the result.

    Raises:
        SettingsError: there is no such labeller, or other votes of that annotator are there.
        DataError: ``folder`` is no finished build.
        WorkerError: a worker failed or was killed; the same call resumes.
        ModelError: the labeller has no answer to some texts, and that is not allowed; the same
            call asks again about the parts that they are in.
    """
    _labeller.cache_clear()  # an encoder may have been trained anew
    folder = folder.absolute()
    shards = built.files(folder, "utterances")
    labeller = _labeller(name, tuple(assignments))
    heights = [built.read_file(path, "utterances", ["utterance_id"]).height for path in shards]
    parts = [(n, row) for n, height in enumerate(heights) for row in range(0, height, PART)]
    job = Job(folder, name, tuple(assignments), tuple(parts))
    tables = [votes.table(folder, _name(labeller.name, n, len(shards))) for n in range(len(shards))]
    with built.locked(folder):
        digest = _digest(folder, labeller, job)
        work = folder / ".run" / "labelling" / digest
        if _voted(folder).get(labeller.name) != _seal(digest, tables):
            for path in tables:
                votes.require_same(path, _provenance(labeller))
            work.mkdir(parents=True, exist_ok=True)
            stage = Stage(f"label by {labeller.name}", "annotate.run:make", len(parts))
            few = how.is_local and how.workers is None and (len(parts) <= _FEW or labeller.alone)
            with started(how, work, job, on_progress, in_process=few) as engine:
                engine.run(stage)
            if not allow_missing:
                _require_answers(work, stage, labeller.name)
            with told_errors(folder):
                _publish(job, stage, work, labeller.name, len(shards))
            seals = _voted(folder) | {labeller.name: _seal(digest, tables)}
            write_json(folder / ".run" / _VOTED, seals)
            built.note(folder, f"{labeller.name} voted on {sum(heights)} utterances")
        remove(work)  # and not what another labeller left to go on from
        with suppress(OSError):
            work.parent.rmdir()
    return tables


def _seal(digest: str, tables: Sequence[Path]) -> list[str]:
    """What decided votes, and the digests of the tables that hold them."""
    return [digest, *(sha256(path) if path.exists() else "" for path in tables)]


def _voted(folder: Path) -> dict[str, list[str]]:
    """Which votes are complete: the seal of each annotator's."""
    path = folder / ".run" / _VOTED
    return dict(read_json(path)) if path.exists() else {}


def _digest(folder: Path, labeller: Labeller, job: Job) -> str:
    """A digest of all that decides the votes."""
    built_from = (folder / ".run" / "manifest.json").read_bytes()
    decides = [
        labeller.name, labeller.model, labeller.prompt_digest, job.labeller, job.assignments,
        job.parts, votes.GUIDELINE_VERSION, version("sad-dialogue"),
        hashlib.sha256(built_from).hexdigest(),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:16]


_labeller = lru_cache(1)(load)  # once per process: models are slow to load


def usage(name: str, assignments: Sequence[str]) -> Any:
    """What asking the language models of a labeller took; None where this process asked none.

    What workers ask they count in their own processes, and nobody adds it up.
    """
    if not _labeller.cache_info().currsize:
        return None
    told = getattr(_labeller(name, tuple(assignments)), "usage", None)
    models = told["models"].values() if told else ()
    return told if any(model["seconds"] or model["cached"] for model in models) else None


def make(job: Job, unit: int, folder: Path) -> None:
    """Label one part; its votes in order."""
    labeller = _labeller(job.labeller, job.assignments)
    items = _items(job, *job.parts[unit])
    found = zip(items, labeller.label(items), strict=True)
    cast = [_vote(item, answer, labeller) for item, answer in found if answer is not None]
    put_parquet(pl.DataFrame(cast, votes.VOTES), folder / _VOTES)
    write_counts(folder, {"unanswered": len(items) - len(cast)})


def _require_answers(work: Path, stage: Stage, name: str) -> None:
    """Forget the parts with texts that have no answer, and raise if there are any."""
    unanswered = [counts["unanswered"] for counts in counts_of(work, stage)]
    for unit, n in enumerate(unanswered):
        if n:
            remove(folder_of(work, stage.name, unit))
    if any(unanswered):
        raise ModelError(
            f"{name} has no usable answer to {sum(unanswered)} texts; the same command asks again, "
            "with --allow-missing it goes on without (then others must vote on these)"
        )


@lru_cache(1)  # the parts of a shard follow each other
def _shard(path: Path, _: int) -> pl.DataFrame:
    """What parts need of a shard, read again when its file was written again."""
    columns = ["utterance_id", "text", "parent_id", "thread_id"]
    return built.read_file(path, "utterances", columns)


def _items(job: Job, shard: int, first: int) -> list[Item]:
    """The utterances of a part, each with its topic and the turn before it."""
    files = built.files(job.folder, "utterances")
    near = _shard(files[shard], files[shard].stat().st_mtime_ns)
    rows = near.slice(first, PART)
    parents = near.select(parent_id="utterance_id", before="text")
    of, threads = len(files), pl.col("thread_id").is_in(rows["thread_id"].unique().implode())
    dialogues = (built.shard(job.folder, "dialogues", split, shard, of) for split in SPLITS)
    topics = pl.concat(
        built.read_file(path, "dialogues", ["thread_id", "topic"], threads) for path in dialogues
    ).unique()
    rows = rows.join(parents, on="parent_id", how="left", maintain_order="left")
    rows = rows.join(topics, on="thread_id", how="left", maintain_order="left")
    told = rows.select("utterance_id", "text", pl.col("topic").fill_null(""), "before")
    return [
        Item(name, text, topic, (before,) if before else ())
        for name, text, topic, before in told.iter_rows()
    ]


def _vote(item: Item, answer: Label | Side, labeller: Labeller) -> dict[str, Any]:
    if isinstance(answer, Side):
        value = [answer.stance.label if answer.stance is not None else votes.UNCLEAR]
        spans: list[dict[str, Any]] = []
        chances = [max(answer.support, 1 - answer.support)]
    else:
        value, spans = answer.strategies.labels(), spans_of(answer)
        scores = zip(answer.scores, STRATEGY_LABELS, strict=True)
        chances = [chance for chance, strategy in scores if strategy in value]
    return {
        "utterance_id": item.id,
        "value": value,
        "spans": spans,
        "confidence": min(chances, default=None),
        **_provenance(labeller),
    }


def _provenance(labeller: Labeller) -> dict[str, Any]:
    """What all votes of a labeller say alike."""
    return {
        "annotator": labeller.name,
        "kind": labeller.kind,
        "source": labeller.source,
        "guideline_version": votes.GUIDELINE_VERSION,
        "model": labeller.model,
        "prompt_digest": labeller.prompt_digest,
    }


def _publish(job: Job, stage: Stage, work: Path, name: str, shards: int) -> None:
    """Join the parts of each shard to a vote table in the folder.

    Raises:
        SettingsError: other votes of that annotator are there.
    """
    for shard in range(shards):
        mine = [
            pl.read_parquet(folder_of(work, stage.name, unit) / _VOTES, glob=False)
            for unit, (number, _) in enumerate(job.parts)
            if number == shard
        ]
        rows = pl.concat(mine) if mine else pl.DataFrame(schema=votes.VOTES)
        votes.append(rows, job.folder, _name(name, shard, shards))


def _name(annotator: str, shard: int, of: int) -> str:
    """Of the vote table of a shard."""
    return annotator if of == 1 else f"{annotator}-{shard:05d}-of-{of:05d}"
