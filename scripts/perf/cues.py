#!/usr/bin/env python3
"""What the labeller cues gets right on the sample's gold, and how fast one core labels it.

usage: .venv/bin/python scripts/perf/cues.py
"""

import statistics
import time

from annotate.labeller import Item, load
from sad import sample
from sad.metrics import multilabel
from sad.metrics.intervals import bootstrap
from sad.types import STRATEGY_LABELS, Strategy

PASSES = 7

gold = sample.gold()
items = [Item(record["id"], record["text"]) for record in gold]
trees = [record["topic"] for record in gold]
words = sum(len(item.text.split()) for item in items)
labeller = load("cues")
found = list(labeller.label(items))  # warms up: the pipeline is built when it is first needed

rates = []
for _ in range(PASSES):
    start = time.process_time()
    list(labeller.label(items))
    rates.append(words / (time.process_time() - start))

bits = [[int(s in Strategy.from_labels(r["strategies"])) for s in Strategy] for r in gold]
said = [[int(s in label.strategies) for s in Strategy] for label in found]
counts = multilabel.counts(bits, said)
for place, name in enumerate(STRATEGY_LABELS):
    own = counts[:, [place, place + 5, place + 10]]
    i = bootstrap(own, trees, multilabel.micro_f1)
    print(f"{name:10} F1 {i.value:.3f} [{i.low:.3f}, {i.high:.3f}]")
i = bootstrap(counts, trees, multilabel.macro_f1)
print(f"{'macro':10} F1 {i.value:.3f} [{i.low:.3f}, {i.high:.3f}]")
print(f"n = {i.n}, {i.n_trees} trees, {i.resamples} resamples, seed {i.seed}; gold by us")
print(
    f"{statistics.median(rates):,.0f} words per second of one core, splitting included "
    f"({min(rates):,.0f} to {max(rates):,.0f} in {PASSES} passes over {words:,} words)"
)
