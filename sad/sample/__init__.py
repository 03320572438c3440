"""The sample: invented threads, so that everything runs with no dump and no account.

``RS_sample.ndjson`` and ``RC_sample.ndjson`` are a dump with the noise of real ones; ``gold.jsonl``
holds our labels, ``votes.parquet`` the votes of five simulated annotators. Licence: CC BY 4.0.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from sad.build import labels
from sad.build.authors import SAMPLE_KEY
from sad.build.folder import is_labelled
from sad.build.pipeline import Counts, build
from sad.build.settings import BuildSettings, resolve
from sad.build.sources import Dumps
from sad.files import cache_dir, sha256
from sad.settings import read_yaml
from sad.types import Strategy

HERE = Path(__file__).parent
DUMPS = Dumps((HERE / "RS_sample.ndjson",), (HERE / "RC_sample.ndjson",))
SETTINGS = HERE.parent / "configs" / "sample.yaml"
VOTES = HERE / "votes.parquet"
GOLD = HERE / "gold.jsonl"


def settings() -> BuildSettings:
    """The settings of ``configs/sample.yaml`` over the rule set ``paper``."""
    return resolve("paper", read_yaml(SETTINGS))


def build_into(out: Path) -> Counts:
    """Build the sample into ``out``; the counts per stage."""
    return build(DUMPS, out, settings(), SAMPLE_KEY)


def gold() -> list[dict[str, Any]]:
    """Our labels, one record per utterance, as in ``gold.jsonl``."""
    return [json.loads(line) for line in GOLD.read_text(encoding="utf-8").splitlines()]


def parents() -> dict[str, str]:
    """The parent of each comment of the sample, both with their prefixes."""
    lines = (HERE / "RC_sample.ndjson").read_bytes().splitlines()
    found = {}
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):  # some are damaged on purpose
            comment = json.loads(line)
            found[f"t1_{comment['id']}"] = comment["parent_id"]
    return found


def gold_labels() -> pl.DataFrame:
    """The gold as a label table (``sad.build.labels.LABELS``)."""
    rows = [
        {
            "utterance_id": record["id"],
            "stance": record["stance"],
            "strategies": record["strategies"],
            "strategy_mask": Strategy.from_labels(record["strategies"]).value,
            "spans": record["spans"],
            "label_source": "stance:gold; strategies:gold",
        }
        for record in gold()
    ]
    return pl.DataFrame(rows, schema=labels.LABELS)


def labelled_folder() -> Path:
    """A build of the sample with its gold labels, made once in the cache."""
    code = sorted(Path(labels.__file__).parent.glob("*.py"))
    digests = "".join(sha256(path) for path in (*DUMPS.files(), GOLD, SETTINGS, *code))
    folder = cache_dir() / f"sample-{hashlib.sha256(digests.encode()).hexdigest()[:16]}"
    if not is_labelled(folder):
        build_into(folder)
        labels.apply(folder, gold_labels(), {"method": "gold"})
    return folder
