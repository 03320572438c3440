#!/usr/bin/env python3
"""The cost model of docs/scale.md: time, disk and result of a build of so many nodes on two cores.

usage: .venv/bin/python scripts/perf/cost.py NODES     (build.py --predict NODES holds it to a run)
"""

import sys

# A line through the runs of 0.2 and 2 million nodes of build.py --growth, 2026-11-25.
START = {"none": 1.3, "paper": 1.6}  # seconds
PER_MILLION = {"none": 12.0, "paper": 19.2}  # seconds
RESULT = {"none": 191, "paper": 111}  # bytes of the built folder per node
WORK = {"none": 1_400, "paper": 1_130}  # bytes on the disk at most, while it works, per node


def seconds(nodes, rules):
    """Seconds of a build."""
    return START[rules] + PER_MILLION[rules] * nodes / 1e6


def main():
    """Print the model for the number of nodes on the command line."""
    nodes = int(sys.argv[1])
    for rules in START:
        work, result = (each[rules] * nodes / 1e9 for each in (WORK, RESULT))
        time = f"{seconds(nodes, rules):10,.0f} s"
        print(f"{rules:6} {time}, disk at most {work:,.1f} GB, result {result:,.1f} GB")


if __name__ == "__main__":
    main()
