"""The cost model of docs/scale.md: seconds, bytes of memory and of disk for so many nodes.

usage: .venv/bin/python scripts/perf/cost.py NODES      (`scripts/perf/build.py --predict` tests it)
"""

import sys

START = {"none": 0.0, "paper": 0.0}  # seconds: workers start, language model loads
PER_MILLION = {"none": 0.0, "paper": 0.0}  # seconds per million nodes, two cores


def time_of(nodes, rules):
    return START[rules] + PER_MILLION[rules] * nodes / 1e6


if __name__ == "__main__":
    for name in START:
        print(f"{name:6} {time_of(int(sys.argv[1]), name):,.0f} s")
