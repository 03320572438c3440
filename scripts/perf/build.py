#!/usr/bin/env python3
"""Time and memory of `sad build`, beside a floor and beside ConvoKit, in one run.

usage: .venv/bin/python scripts/perf/build.py --out DIR [--nodes 1016400] [--runs 3]
                                              [--convokit 50000] [--growth] [--predict N]

DIR gets the generated dumps (kept for the next run), report.json, and time.svg with --growth.

- floor: one process, zstandard stream -> bare polars parse of the needed columns (floor.py).
- ours: the command `sad build`, rule sets none and paper, in turn with the floor.
- ConvoKit 5.0.0: the same job on a prefix of whole threads, in an environment of its own.
- memory: the largest sum of proportional set sizes (PSS) of the process tree, five times a second.
- --predict N: the time of N nodes by the cost model (cost.py), then measured.
- --growth: 0.2, 0.5, 1 and 2 million nodes, and 2 million at 660 per tree.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SAD = [sys.executable, "-m", "sad"]
RULES = ("none", "paper")
# Of ConvoKit itself only what reads and writes a corpus; its full list pulls PyTorch and more.
PEER, PEER_NEEDS = "convokit==5.0.0", ["dill", "pandas", "pymongo", "pyyaml", "requests",
                                       "scikit-learn", "scipy", "tqdm"]  # fmt: skip
SIZES = (200_000, 500_000, 1_000_000, 2_000_000)


def dump(home, nodes, per_tree=61):
    """A generated dump, made once."""
    folder = home / f"dump-{nodes}-{per_tree}"
    if not (folder / "expected.json").exists():
        command = [*SAD, "sample", "generate", "--nodes", nodes, "--seed", 1, "--out", folder]
        start = time.perf_counter()
        subprocess.run([*map(str, command), "--nodes-per-tree", str(per_tree)], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        rate = nodes / (time.perf_counter() - start)
        print(f"generated {nodes:,} nodes at {rate:,.0f} a second", flush=True)
    return folder


def floor(folder):
    """Seconds and rows of the floor."""
    done = subprocess.run(
        [sys.executable, HERE / "floor.py", folder / "RS.zst", folder / "RC.zst"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def pss(process):
    """Bytes of a process and all below it; memory shared by several is divided among them."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            rollup = Path(f"/proc/{each.pid}/smaps_rollup").read_text()
            total += 1024 * int(rollup.split("\nPss:")[1].split()[0])
        except (OSError, IndexError):
            continue
    return total


def ours(folder, rules, out):
    """Seconds, peak bytes, seconds per stage, and whether the counts are the expected ones."""
    shutil.rmtree(out, ignore_errors=True)
    command = [*SAD, "build", "--submissions", folder / "RS.zst", "--comments", folder / "RC.zst",
               "--rules", rules, "--out", out]  # fmt: skip
    start = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    marks = []
    reader = threading.Thread(
        target=lambda: marks.extend((line.split(" ...")[0], time.perf_counter())
                                    for line in process.stderr)
    )  # fmt: skip
    reader.start()
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, pss(psutil.Process(process.pid)))
        except psutil.Error:
            break
        time.sleep(0.2)
    end = time.perf_counter()
    reader.join()
    if process.wait():
        sys.exit(f"sad build failed: {marks}")
    ends = [when for _, when in marks[1:]] + [end]
    stages = {"start": marks[0][1] - start}
    stages |= {name: last - first for (name, first), last in zip(marks, ends, strict=True)}
    expected = json.loads((folder / "expected.json").read_text())[rules]
    same = json.loads((out / ".run" / "counts.json").read_text()) == expected
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {"seconds": end - start, "peak": peak, "stages": stages, "counts_as_expected": same,
            "bytes": size}  # fmt: skip


def prefix(folder, comments, out):
    """The first threads of a dump as plain lines, about ``comments`` comments."""
    from sad.build.readers import batches

    out.mkdir(exist_ok=True)
    links, kept = {}, []
    for batch in batches(folder / "RC.zst"):
        for line in batch.split(b"\n"):
            row = json.loads(line.decode("utf-8", "replace"), strict=False) if line.strip() else {}
            if row.get("link_id"):
                links.setdefault(row["link_id"], []).append(line)
        if sum(map(len, links.values())) > 2 * comments:
            break
    posts = []
    for batch in batches(folder / "RS.zst"):
        for line in batch.split(b"\n"):
            row = json.loads(line.decode("utf-8", "replace"), strict=False) if line.strip() else {}
            own = links.pop(f"t3_{row.get('id')}", None)
            if own and len(kept) < comments:
                posts.append(line)
                kept += whole(own, row["id"])
    (out / "RS.ndjson").write_bytes(b"\n".join(posts))
    (out / "RC.ndjson").write_bytes(b"\n".join(kept))


def whole(lines, post):
    """The comments of a thread whose chain of parents is in the prefix, each once."""
    rows = {}
    for line in lines:
        row = json.loads(line.decode("utf-8", "replace"), strict=False)
        if row["id"]:
            rows.setdefault(row["id"], (row["parent_id"], line))
    reached, found = {f"t3_{post}"}, []
    while True:
        more = [name for name, (parent, _) in rows.items()
                if parent in reached and f"t1_{name}" not in reached]  # fmt: skip
        if not more:
            return found
        reached |= {f"t1_{name}" for name in more}
        found += [rows[name][1] for name in more]


def convokit(home, folder, comments):
    """Seconds, nodes and paths of ConvoKit on a prefix."""
    environment = home / "convokit"
    if not (environment / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        pip = [environment / "bin" / "pip", "install", "-q"]
        subprocess.run([*pip, "--no-deps", PEER], check=True)
        subprocess.run([*pip, *PEER_NEEDS], check=True)
        (environment / "ready").touch()
    lines = home / "prefix"
    prefix(folder, comments, lines)
    shutil.rmtree(home / "corpus", ignore_errors=True)
    done = subprocess.run(
        [environment / "bin" / "python", HERE / "convokit_build.py", lines / "RS.ndjson",
         lines / "RC.ndjson", home / "corpus"], check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def compare(home, nodes, runs, comments):
    """All runs of the floor, of both rule sets, and of ConvoKit; prints their medians."""
    folder = dump(home, nodes)
    peer = convokit(home, folder, comments) if comments else None
    found = {"floor": [], **{rules: [] for rules in RULES}}
    for _ in range(runs):
        found["floor"].append(floor(folder))
        for rules in RULES:
            found[rules].append(ours(folder, rules, home / f"built-{rules}"))
    least = statistics.median(run["seconds"] for run in found["floor"])
    rows = found["floor"][0]["rows"]
    print(f"\n{rows:,} lines, {nodes:,} nodes; medians of {runs}; {os.cpu_count()} cores")
    print(f"floor   {least:6.2f} s")
    for rules in RULES:
        middle = sorted(found[rules], key=lambda run: run["seconds"])[runs // 2]
        peak = max(run["peak"] for run in found[rules]) / 2**30
        right = all(run["counts_as_expected"] for run in found[rules])
        print(f"{rules:7} {middle['seconds']:6.2f} s = {middle['seconds'] / least:.2f} x floor, "
              f"{nodes / middle['seconds']:,.0f} nodes a second, peak {peak:.2f} GiB, "
              f"counts as expected: {right}")  # fmt: skip
        print("        " + ", ".join(f"{k} {v:.2f}" for k, v in middle["stages"].items()))
    if peer:
        found["convokit"] = peer
        rate = peer["nodes"] / peer["seconds"]
        own = nodes / statistics.median(run["seconds"] for run in found["none"])
        print(f"ConvoKit {peer['seconds']:.2f} s for {peer['nodes']:,} nodes, {peer['paths']:,} "
              f"paths: {rate:,.0f} nodes a second; ours (none): {own / rate:.1f} x")  # fmt: skip
    return found


def growth(home):
    """Seconds per million nodes at several sizes; a plot."""
    found = []
    for nodes, per_tree in [*((n, 61) for n in SIZES), (SIZES[-1], 660)]:
        folder = dump(home, nodes, per_tree)
        for rules in RULES:
            run = ours(folder, rules, home / f"built-{rules}")
            found.append({"nodes": nodes, "per_tree": per_tree, "rules": rules, **run})
            print(f"{rules:6} {nodes:>10,} nodes, {per_tree:3} per tree: {run['seconds']:7.2f} s, "
                  f"{1e6 * run['seconds'] / nodes:6.2f} us a node, peak "
                  f"{run['peak'] / 2**30:.2f} GiB, {run['bytes'] / nodes:.0f} bytes a node",
                  flush=True)  # fmt: skip
    plot(found, home / "time.svg")
    return found


def plot(found, path):
    """Seconds against nodes."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    for rules, colour in zip(RULES, ("tab:blue", "tab:orange"), strict=True):
        line = [run for run in found if run["rules"] == rules and run["per_tree"] == 61]
        axes.plot([run["nodes"] / 1e6 for run in line], [run["seconds"] for run in line], "o-",
                  color=colour, label=f"{rules}, 61 nodes per tree")  # fmt: skip
        big = [run for run in found if run["rules"] == rules and run["per_tree"] == 660]
        axes.plot([run["nodes"] / 1e6 for run in big], [run["seconds"] for run in big], "x",
                  color=colour, label=f"{rules}, 660 nodes per tree")  # fmt: skip
    axes.set_xlabel("million nodes")
    axes.set_ylabel("seconds")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend()
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)
    print(f"plot: {path}")


def predict(home, nodes):
    """A fresh run of ``nodes`` nodes beside what the cost model says of it."""
    import cost

    folder = dump(home, nodes)
    found = []
    for rules in RULES:
        run = ours(folder, rules, home / f"built-{rules}")
        told = cost.seconds(nodes, rules)
        print(f"{rules:6} {nodes:,} nodes: model {told:.1f} s, measured {run['seconds']:.1f} s, "
              f"off by {told / run['seconds'] - 1:+.0%}", flush=True)  # fmt: skip
        found.append({"nodes": nodes, "rules": rules, "model": told, **run})
    return found


def main():
    """Run what the command line asks for; write report.json."""
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n\nDIR")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--nodes", type=int, default=1_016_400)  # 1,000,000 comments in trees
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--convokit", type=int, default=50_000, help="comments; 0: not at all")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--predict", type=int, default=0)
    arguments = parser.parse_args()
    home = arguments.out.resolve()
    home.mkdir(parents=True, exist_ok=True)
    found = {}
    if arguments.growth:
        found["growth"] = growth(home)
    if arguments.predict:
        found["predict"] = predict(home, arguments.predict)
    if not found:
        found = compare(home, arguments.nodes, arguments.runs, arguments.convokit)
    (home / "report.json").write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
