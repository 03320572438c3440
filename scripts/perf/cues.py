#!/usr/bin/env python3
"""What the labeller cues gets right on the sample's gold, and how fast it is.

usage: .venv/bin/python scripts/perf/cues.py
"""

import time

from annotate.labeller import Item, load
from sad import sample
from sad.metrics import multilabel
from sad.metrics.intervals import bootstrap
from sad.types import STRATEGY_LABELS, Strategy

gold = sample.gold()
items = [Item(record["id"], record["text"]) for record in gold]
trees = [record["topic"] for record in gold]
labeller = load("cues")
list(labeller.label(items[:50]))  # warm up

start = time.perf_counter()
found = list(labeller.label(items))
seconds = time.perf_counter() - start

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
words = sum(len(item.text.split()) for item in items)
print(f"{words / seconds:,.0f} words per second on one core ({words:,} words)")
