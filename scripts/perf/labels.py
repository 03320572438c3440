#!/usr/bin/env python3
"""Speed of labelling and of counting votes: scripts/perf/labels.py [--out DIR] [--votes N]

cues     words a second of one core, sentence splitting included (bar: 100,000)
encoder  texts a second of the labeller's forward passes, beside bare passes of the same
         length-sorted batches in the same process (bar: 0.8 of them)
votes    seconds to fit Dawid-Skene to N votes and to compute alpha (bar: 60 for a million)
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from annotate import sentences
from annotate.ballots import Ballots
from annotate.encoder import fit, net
from annotate.encoder.use import Trained, sentences_of
from annotate.labeller import Item, load
from annotate.labellers.best import FOLDER
from annotate.methods import dawid_skene
from sad import sample
from sad.metrics import agreement
from sad.types import STRATEGY_LABELS

REPEATS = 5


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
    """Texts a second of the labeller, beside bare forward passes of the same batches."""
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
    """Seconds for ``n`` votes of five label decisions by 50 annotators, five on each item."""
    rng = np.random.default_rng(0)
    n_items, n_labels = n // 5, len(STRATEGY_LABELS)
    items = np.repeat(np.arange(n_items), 5)
    truth = rng.random((n_items, n_labels)) < 0.3
    raters = (items * 7 + np.tile(np.arange(5), n_items) * 11) % 50
    errors = rng.uniform(0.02, 0.3, 50)
    named = truth[items] ^ (rng.random((n, n_labels)) < errors[raters][:, None])
    import polars as pl

    ballots = Ballots(
        items, raters, named, pl.Series(np.arange(n_items)), pl.Series(np.arange(50)).cast(str),
        STRATEGY_LABELS,
    )  # fmt: skip
    start = time.perf_counter()
    found = dawid_skene(ballots, {}).scores > 0.5
    fitted = time.perf_counter()
    table = agreement.tally(items, ballots.masks(), n_items, 2**n_labels)
    distance = agreement.masi_distance(n_labels)
    alpha = agreement.alpha(agreement.disagreements(table, distance).sum(axis=0), distance)
    done = time.perf_counter()
    return {
        "votes": n,
        "dawid_skene_seconds": fitted - start,
        "alpha_seconds": done - fitted,
        "accuracy": float((found == truth).mean()),
        "alpha_masi": float(alpha),
    }


def main() -> None:
    """Measure, print, write ``labels.json``."""
    form = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--votes", type=int, default=1_000_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    report = {"cues": cues(), "encoder": encoder(), "votes": votes(arguments.votes)}
    for name, figures in report.items():
        print(name, "  ".join(f"{key} {value:,.3f}" for key, value in figures.items()))
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "labels.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
