#!/usr/bin/env python3
"""How fast the command line answers: median of 11 starts, beside a bare Python in the same run.

usage: .venv/bin/python scripts/perf/startup.py
"""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass (floor)": ["-c", "pass"],
    "sad --help": ["-m", "sad", "--help"],
    "sad annotate --help": ["-m", "sad", "annotate", "--help"],
    "sad bench run --help": ["-m", "sad", "bench", "run", "--help"],
    "sad build --help": ["-m", "sad", "build", "--help"],
    "import sad.types": ["-c", "import sad.types"],
}


def seconds(arguments: list[str]) -> float:
    """Wall time of one start of Python with ``arguments``."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


for name, arguments in COMMANDS.items():
    taken = [seconds(arguments) for _ in range(11)]
    print(f"{name:24} {statistics.median(taken):.3f} s  (min {min(taken):.3f}, n = {len(taken)})")
