#!/usr/bin/env python3
"""How often the stances of a build agree with the sample's gold, by the confidence of their rule.

usage: .venv/bin/python scripts/perf/stance.py
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from sad import sample
from sad.build import folder
from sad.build.stance import CONFIDENCE
from sad.metrics.intervals import bootstrap

gold = {record["id"]: record["stance"] for record in sample.gold()}
with TemporaryDirectory() as home:
    sample.build_into(Path(home) / "built")
    rows = folder.read(Path(home) / "built", "utterances").filter(pl.col("depth") > 0)
rows = rows.with_columns(gold=pl.col("utterance_id").replace_strict(gold, return_dtype=pl.Int64))
rows = rows.with_columns(right=pl.col("stance") == pl.col("gold"))
names = {confidence: rule for rule, confidence in CONFIDENCE.items()}
for confidence in [None, *sorted(rows["stance_confidence"].unique(), reverse=True)]:
    some = rows if confidence is None else rows.filter(pl.col("stance_confidence") == confidence)
    i = bootstrap(
        [[int(right), 1] for right in some["right"]],
        some["thread_id"].to_list(),
        lambda s: s[..., 0] / s[..., 1],
    )
    rule = "all replies" if confidence is None else names[confidence]
    print(f"{rule:12} {i.value:.3f} [{i.low:.3f}, {i.high:.3f}]  n = {i.n}, {i.n_trees} trees")
print("95 % bootstrap over trees, 2000 resamples, seed 13; gold by us")
