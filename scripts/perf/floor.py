"""The least that reading a dump can cost: decompress it, parse the needed columns, keep nothing.

usage: .venv/bin/python scripts/perf/floor.py RS.zst RC.zst   (prints seconds; lines that polars
refuses are sorted out by json, as in any script that somebody would write in ten minutes)
"""

import io
import json
import sys
import time

import polars as pl
import zstandard

from sad.build.readers import BATCH_BYTES, COMMENT, SUBMISSION


def is_object(line):
    """Whether a line is a JSON object."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def parse(batch, schema):
    """How many rows a batch holds."""
    try:
        return pl.read_ndjson(io.BytesIO(batch), schema=schema).height
    except pl.exceptions.PolarsError:
        good = b"\n".join(line for line in batch.split(b"\n") if is_object(line))
        return pl.read_ndjson(io.BytesIO(good), schema=schema).height


def read(path, fields):
    """How many rows a dump holds."""
    schema = dict.fromkeys([*fields, "subreddit"], pl.String)
    rest, rows = b"", 0
    with open(path, "rb") as file:  # noqa: PTH123
        stream = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(file)
        while chunk := stream.read(BATCH_BYTES):
            head, _, rest = (rest + chunk).rpartition(b"\n")
            rows += parse(head, schema)
    return rows + (parse(rest, schema) if rest else 0)


start = time.perf_counter()
rows = read(sys.argv[1], SUBMISSION) + read(sys.argv[2], COMMENT)
print(json.dumps({"seconds": time.perf_counter() - start, "rows": rows}))
