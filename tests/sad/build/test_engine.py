"""The build on every executor, in any number of pieces, stopped at any moment: the same bytes."""

import contextlib
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from helpers import fill_disk, tree_bytes

from sad import sample
from sad.build import folder, pipeline, units
from sad.build.engine import Execution
from sad.build.ray import Ray
from sad.build.settings import resolve
from sad.errors import DataError, SettingsError, WorkerError
from sad.settings import read_yaml

SHARDED = resolve("paper", read_yaml(sample.SETTINGS), ["shard_rows=50"])
RECORDS = ("dropped", "stance")  # tables under .run/ that are part of the result


def _build(out, **how):
    execution = Execution(**how)
    return pipeline.build(sample.DUMPS, out, SHARDED, b"k" * 32, how=execution)


def _result(out):
    found = tree_bytes(out)
    for name in RECORDS:
        for path in sorted((out / ".run" / name).iterdir()):
            found[f"{name}/{path.name}"] = path.read_bytes()
    return found | {"counts": (out / ".run" / "counts.json").read_bytes()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "built"
    _build(out)
    assert len(folder.files(out, "utterances")) == 10
    return out


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("tasks", [1, 4, 16, None])
def test_tasks_and_workers_change_nothing(tmp_path, whole, tasks, workers):
    _build(tmp_path / "b", tasks=tasks, workers=workers)
    assert _result(tmp_path / "b") == _result(whole)


def test_shards_hold_what_one_file_held(tmp_path, whole):
    pipeline.build(sample.DUMPS, tmp_path / "b", sample.settings(), b"k" * 32)
    for table in ("utterances", "dialogues", "pairs"):
        one, many = folder.read(tmp_path / "b", table), folder.read(whole, table)
        assert one.sort(one.columns[0]).equals(many.sort(one.columns[0]))
    assert folder.counts(tmp_path / "b") == folder.counts(whole)


def test_nothing_is_left_of_the_work(whole):
    assert {path.name for path in (whole / ".run").iterdir()} == {
        "counts.json", "done", "dropped", "lock", "log.txt", "manifest.json", "settings.yaml", "stance"
    }  # fmt: skip


def test_more_tasks_on_resume_skip_no_shard(tmp_path, whole):
    """Markers know numbers of ranks only: those of 4 ranks must not count for 16."""

    def stop(stage, done, of):
        if stage == "trees" and done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.build(
            sample.DUMPS,
            tmp_path / "b",
            SHARDED,
            b"k" * 32,
            how=Execution(tasks=4),
            on_progress=stop,
        )
    _build(tmp_path / "b", tasks=16)
    assert _result(tmp_path / "b") == _result(whole)


def _command(out, *more):
    return [
        sys.executable, "-m", "sad", "build", "--sample", "--set", "shard_rows=50",
        "--out", str(out), *more,
    ]  # fmt: skip


def _start(out):
    return subprocess.Popen(
        _command(out, "--workers", "2"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def by_command(tmp_path_factory):
    out = tmp_path_factory.mktemp("command") / "built"
    subprocess.run(_command(out), check=True, capture_output=True)
    return out


@pytest.mark.parametrize("seed", range(20))
def test_killed_parent_or_worker_then_resumed(tmp_path, by_command, seed):
    rng = random.Random(seed)
    out = tmp_path / "b"
    process = _start(out)
    time.sleep(rng.uniform(0.3, 1.6))
    victims = [psutil.Process(process.pid)]
    with contextlib.suppress(psutil.Error):
        children = victims[0].children(recursive=True)
        victims += [c for c in children if "resource_tracker" not in " ".join(c.cmdline())]
    family = list(victims)
    with contextlib.suppress(psutil.Error):
        victims[0 if seed % 2 else rng.randrange(len(victims))].kill()
    err = process.communicate()[1]
    assert process.returncode in (0, 4, -signal.SIGKILL)
    if process.returncode != -signal.SIGKILL:  # workers that are just starting tell of its end
        assert "Traceback" not in err
    if process.returncode == 4:
        assert "was killed" in err and "again" in err
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive  # no worker outlives the command
    subprocess.run(_command(out, "--workers", "2"), check=True, capture_output=True)
    assert _result(out) == _result(by_command)


@pytest.mark.parametrize("stage", ["read", "plan", "trees", "choose", "write"])
def test_ctrl_c_in_each_stage(tmp_path, by_command, stage):
    out = tmp_path / "b"
    process = _start(out)
    for line in process.stderr:
        if line.startswith(stage):
            break
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to workers too
    rest = process.communicate()[1]
    assert process.returncode == 130
    assert rest.strip().endswith("run the same command again")
    assert "Traceback" not in rest
    subprocess.run(_command(out), check=True, capture_output=True)
    assert _result(out) == _result(by_command)


def test_memory_limit_is_told(tmp_path, by_command):
    """A worker that gets no memory dies or fails; the command says so and can be resumed."""
    out = tmp_path / "b"
    limited = f"ulimit -v 700000; exec {' '.join(_command(out, '--workers', '1'))}"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    assert "memory" in done.stderr.splitlines()[-1]
    subprocess.run(_command(out), check=True, capture_output=True)
    assert _result(out) == _result(by_command)


SBATCH = """#!{python}
import os, re, subprocess, sys
script = open(sys.argv[-1]).read()
last = int(re.search(r"--array=0-(\\d+)", script)[1])
codes = []
for index in range(last + 1):
    environment = dict(os.environ, SLURM_ARRAY_TASK_ID=str(index), RUN_OFFSET="0")
    codes.append(subprocess.run(["bash", sys.argv[-1]], env=environment, cwd="/", stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL).returncode)
assert "--wait" in script
print("Submitted batch job 42")
sys.exit(max(codes))
"""


@pytest.mark.parametrize("workers", [None, 2])
@pytest.mark.parametrize("stage", ["read", "plan", "trees", "choose", "write", "finishing"])
def test_full_disk_in_each_stage(small_disk, whole, stage, workers):
    def fill(name, done, of):
        if name == stage and not done:
            fill_disk(small_disk)

    how = Execution(workers=workers)
    with pytest.raises(DataError, match=r"No space left.*free the disk"):
        pipeline.build(
            sample.DUMPS, small_disk / "b", SHARDED, b"k" * 32, how=how, on_progress=fill
        )
    (small_disk / "filler").unlink()
    pipeline.build(sample.DUMPS, small_disk / "b", SHARDED, b"k" * 32, how=how)
    assert _result(small_disk / "b") == _result(whole)


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """A stand-in for Slurm on PATH that runs every index of an array."""
    home = tmp_path / "bin"
    home.mkdir()
    (home / "sbatch").write_text(SBATCH.format(python=sys.executable))
    (home / "sbatch").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{home}:{os.environ['PATH']}")


def _key(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"k" * 32)
    path.chmod(0o600)
    return path


def _cluster_build(tmp_path, executor, **more):
    how = Execution(executor, **more)
    return pipeline.build(sample.DUMPS, tmp_path / "b", SHARDED, _key(tmp_path), how=how)


@pytest.mark.parametrize("tasks", [1, 4])
def test_slurm_gives_the_same_bytes(tmp_path, whole, sbatch, tasks):
    _cluster_build(tmp_path, "slurm", tasks=tasks, sbatch=("partition=cpu", "time=1:00:00"))
    assert _result(tmp_path / "b") == _result(whole)


def test_failed_rank_of_slurm_fails_the_command(tmp_path, sbatch, monkeypatch):
    monkeypatch.setattr(units.Stage, "__init__", _broken(units.Stage.__init__))
    with pytest.raises(WorkerError, match="trees"):
        _cluster_build(tmp_path, "slurm", tasks=2)


def test_relative_paths_reach_slurm(tmp_path, whole, sbatch, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _key(tmp_path)
    how = Execution("slurm", tasks=2)
    pipeline.build(sample.DUMPS, Path("b"), SHARDED, Path("key"), how=how)
    assert _result(tmp_path / "b") == _result(whole)


def test_options_of_slurm(tmp_path, sbatch):
    with pytest.raises(SettingsError, match="cpus-per-task=two"):
        _cluster_build(tmp_path, "slurm", sbatch=("cpus-per-task=two",))
    spy = tmp_path / "bin" / "sbatch"
    spy.write_text(f"#!/bin/sh\nfor last; do :; done\ncp $last {tmp_path}/script\nexit 1\n")
    with pytest.raises(WorkerError, match="sbatch ended with 1"):
        _cluster_build(tmp_path, "slurm", sbatch=("exclusive", "mem=64G", "partition=cpu"))
    told = (tmp_path / "script").read_text().splitlines()
    assert {"#SBATCH --exclusive", "#SBATCH --mem=64G", "#SBATCH --partition=cpu"} <= {*told}
    assert not any("mem-per-cpu" in line or line.endswith("=") for line in told)


def test_options_of_another_executor_are_refused():
    with pytest.raises(SettingsError, match="--sbatch"):
        Execution(sbatch=("partition=cpu",))
    with pytest.raises(SettingsError, match="--ray-address"):
        Execution("slurm", ray_address="auto")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "localhost:99999"])
def test_ray_address_where_nobody_listens_is_told_at_once(address):
    with pytest.raises(SettingsError, match="no Ray answers there"):
        Ray(address, workers=1)


def test_slurm_without_sbatch_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="sbatch"):
        _cluster_build(tmp_path, "slurm")


def _broken(make):
    """Stages whose ``trees`` call code that is not there."""

    def init(self, name, call, *rest, **more):
        make(
            self,
            name,
            "sad.build.trees:no_such_function" if name == "trees" else call,
            *rest,
            **more,
        )

    return init


@pytest.mark.parametrize("tasks", [1, 4])
def test_ray_gives_the_same_bytes(tmp_path, whole, tasks):
    pytest.importorskip("ray")
    _cluster_build(tmp_path, "ray", tasks=tasks, workers=2)
    assert _result(tmp_path / "b") == _result(whole)


def test_failed_rank_of_ray_fails_the_command(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr(units.Stage, "__init__", _broken(units.Stage.__init__))
    with pytest.raises(WorkerError, match="trees"):
        _cluster_build(tmp_path, "ray", tasks=2, workers=2)


def test_clusters_get_no_secret(tmp_path):
    with pytest.raises(SettingsError, match="author key as a file"):
        _build(tmp_path / "b", executor="slurm")
    with pytest.raises(SettingsError, match="takedown list as a file"):
        pipeline.build(
            sample.DUMPS, tmp_path / "b", SHARDED, _key(tmp_path),
            taken_down=frozenset({"t3_x"}), how=Execution("slurm"),
        )  # fmt: skip


def test_finished_build_is_replaced_by_fresh_only(tmp_path, run):
    out = ("--sample", "--out", tmp_path / "b")
    assert run("build", *out).code == 0
    assert run("build", *out, "--set", "min_words=20").code == 3
    assert run("build", *out, "--set", "min_words=20", "--fresh").code == 0
    assert run("build", "--sample", "--out", tmp_path / "c", "--set", "min_words=20").code == 0
    assert tree_bytes(tmp_path / "b") == tree_bytes(Path(tmp_path / "c"))
