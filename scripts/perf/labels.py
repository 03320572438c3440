#!/usr/bin/env python3
"""Speed of labelling and of counting votes: scripts/perf/labels.py [--parts A,B] [--out DIR]

cues     words a second of one core, sentence splitting included (bar: 100,000)
encoder  sentences a second of the whole label(), with splitting and tokenising, beside bare
         forward passes on padded, length-sorted batches in the same process (bar: 0.8 of them)
votes    seconds to read a table of N votes, to aggregate it by Dawid-Skene and to report its
         agreement with intervals over trees (bar: 60 for a million, on the wall)
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import polars as pl
import torch

from annotate import agreement, sentences
from annotate import votes as vote_table
from annotate.aggregate import labelled
from annotate.encoder import fit, net
from annotate.encoder.use import Trained, sentences_of
from annotate.labeller import Item, load
from annotate.labellers.best import FOLDER
from annotate.methods import METHODS
from sad import sample
from sad.types import STRATEGY_LABELS

REPEATS = 5
ITEM_VOTES, ANNOTATORS, TREE = 5, 50, 35
"""Votes on an utterance, annotators in all, and utterances of a tree on average."""


def cues() -> dict[str, float]:
    """Words a second of one core on the sample's texts."""
    items = [Item(r["id"], r["text"]) for r in sample.gold()] * 20
    words = sum(len(item.text.split()) for item in items)
    labeller = load("cues")
    list(labeller.label(items[:400]))
    rates = []
    for _ in range(REPEATS):
        before = time.process_time()
        list(labeller.label(items))
        rates.append(words / (time.process_time() - before))
    return {"words": words, "words_per_second": statistics.median(rates)}


def encoder() -> dict[str, float]:
    """Sentences a second of the whole ``label()``, beside bare forward passes."""
    items = [Item(r["id"], r["text"], r["topic"]) for r in sample.gold()]
    places = sentences.split([item.text for item in items])
    pairs = [p for item, at in zip(items, places, strict=True) for p in sentences_of(item, at)]
    whole, size = net.load(FOLDER), 64
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))
    cut = [order[i : i + size] for i in range(0, len(order), size)]
    batches = [whole.tokens([pairs[i] for i in at]) for at in cut]
    trained = Trained(FOLDER, size)
    times: dict[str, list[float]] = {"bare": [], "labeller": []}
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        with torch.inference_mode(), fit.autocast():
            for batch in batches:
                whole.net(batch)
        middle = time.perf_counter()
        list(trained.label(items))
        times["bare"].append(middle - start)
        times["labeller"].append(time.perf_counter() - middle)
    bare, ours = (statistics.median(times[name][1:]) for name in ("bare", "labeller"))
    return {
        "sentences": len(pairs),
        "bare_per_second": len(pairs) / bare,
        "labeller_per_second": len(pairs) / ours,
        "share": bare / ours,
    }


def votes(n: int) -> dict[str, float]:
    """Seconds from ``n`` votes on strategies in a file to label sets, and to their agreement."""
    rng = np.random.default_rng(0)
    items = np.arange(n // ITEM_VOTES)
    truth = rng.random((len(items), len(STRATEGY_LABELS))) < 0.3
    names = pl.format("u{}", pl.Series(items).cast(pl.String).str.zfill(7))
    threads = rng.integers(0, max(1, len(items) // TREE), len(items))
    trees = pl.select(utterance_id=names, thread_id=pl.format("t{}", pl.Series(threads)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "votes.parquet"
        vote_table.write(_cast(truth, rng), path)
        steps = [time.perf_counter()]
        busy = time.process_time()
        given = vote_table.read([path])
        steps.append(time.perf_counter())
        table, _ = labelled(given, METHODS["dawid-skene"], "dawid-skene", {})
        steps.append(time.perf_counter())
        found = agreement.report(given, trees)
        steps.append(time.perf_counter())
        busy = time.process_time() - busy
    decided = np.stack([table["strategies"].list.contains(x) for x in STRATEGY_LABELS], axis=1)
    alpha = next(s for s in found.scores if (s.subject, s.metric) == ("sets", "alpha_masi"))
    read, aggregated, compared = np.diff(steps).tolist()
    return {
        "votes": given.height,
        "utterances": table.height,
        "trees": trees["thread_id"].n_unique(),
        "pairs_of_annotators": len({(pair.first, pair.second) for pair in found.pairs}),
        "read_seconds": read,
        "aggregate_seconds": aggregated,
        "agreement_seconds": compared,
        "seconds": read + aggregated + compared,
        "processor_seconds": busy,
        "accuracy": float((decided == truth).mean()),
        "alpha_masi": alpha.interval.value if alpha.interval else float("nan"),
    }


def _cast(truth: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    """``VOTES`` by annotators who each err at a rate of their own, with a span for each label.

    Args:
        truth: whether utterance i bears label l: [N, L].
        rng: the source of errors.
    """
    items = np.repeat(np.arange(len(truth)), ITEM_VOTES)
    first = rng.integers(0, ANNOTATORS, (len(truth), 1))
    apart = rng.integers(1, ANNOTATORS // ITEM_VOTES, (len(truth), 1))  # no annotator twice
    raters = ((first + apart * np.arange(ITEM_VOTES)) % ANNOTATORS).ravel()
    rates = rng.uniform(0.02, 0.3, ANNOTATORS)
    named = truth[items] ^ (rng.random((len(items), truth.shape[1])) < rates[raters][:, None])
    named[:, -1] |= ~named.any(axis=1)  # a vote names one label at least
    frame = pl.DataFrame(named, list(STRATEGY_LABELS)).with_columns(item=items, rater=raters)
    spans = [
        pl.when(label).then(pl.struct(label=pl.lit(label), start=20 * place, end=20 * place + 19))
        for place, label in enumerate(STRATEGY_LABELS)
    ]
    labels = [pl.when(label).then(pl.lit(label)) for label in STRATEGY_LABELS]
    table = frame.select(
        utterance_id=pl.format("u{}", pl.col("item").cast(pl.String).str.zfill(7)),
        annotator=pl.format("annotator-{}", "rater"),
        kind=pl.lit("strategies"),
        value=pl.concat_list(labels).list.drop_nulls(),
        spans=pl.concat_list(spans).list.drop_nulls(),
        confidence=None,
        source=pl.lit("crowd"),
        guideline_version=pl.lit(vote_table.GUIDELINE_VERSION),
        model=None,
        prompt_digest=None,
        time=None,
    )
    return table.cast(pl.Schema(vote_table.VOTES))


def main() -> None:
    """Measure, print, write ``labels.json``."""
    form = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--parts", default="cues,encoder,votes", metavar="A,B")
    parser.add_argument("--out", type=Path, metavar="DIR")
    parser.add_argument("--votes", type=int, default=1_000_000, metavar="N")
    arguments = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, float]]] = {
        "cues": cues,
        "encoder": encoder,
        "votes": lambda: votes(arguments.votes),
    }
    chosen = arguments.parts.split(",")
    if unknown := sorted(set(chosen) - set(parts)):
        parser.error(f"--parts {unknown[0]}: expected some of {', '.join(parts)}")
    torch.set_num_threads(1)
    report = {name: parts[name]() for name in chosen}
    for name, figures in report.items():
        print(name, "  ".join(f"{key} {value:,.3f}" for key, value in figures.items()))
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "labels.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
