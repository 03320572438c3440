"""What a stopped build may go on from, and what it must not trust."""

import os
import pickle

import pytest
from helpers import post, reply, rows, tree_bytes, write_lines

from sad import errors, files, sample
from sad.build import authors, folder, pipeline, units
from sad.build.engine import Execution
from sad.build.settings import preset, resolve
from sad.build.sources import Dumps
from sad.errors import DataError, SadError, SettingsError, WorkerError
from sad.settings import read_yaml

KEY = b"k" * 32
SHARDED = resolve("paper", read_yaml(sample.SETTINGS), ["shard_rows=50"])


def _stop_at(stage, least=0):
    def stop(name, done, of):
        if name == stage and done >= least:
            raise KeyboardInterrupt

    return stop


def _stopped(source, out, settings, stage, least=0, **more):
    with pytest.raises(KeyboardInterrupt):
        pipeline.build(source, out, settings, KEY, on_progress=_stop_at(stage, least), **more)


@pytest.fixture
def halves(tmp_path):
    posts = write_lines(tmp_path / "RS", [post()])
    a = write_lines(tmp_path / "A", [reply("a", "p"), reply("b", "p")])
    b = write_lines(tmp_path / "B", [reply("c", "p"), reply("d", "p")])
    return posts, a, b


def test_resumed_with_the_dumps_in_another_order_reads_each_once(tmp_path, halves):
    posts, a, b = halves
    out = tmp_path / "o"
    how = Execution(workers=1, tasks=1)
    _stopped(Dumps((posts,), (a, b)), out, preset("none"), "read", 2, how=how)
    counts = pipeline.build(Dumps((posts,), (b, a)), out, preset("none"), KEY)
    assert counts["threads"]["comments"] == 4
    assert counts["threads"]["duplicates"] == 0


def test_what_was_read_of_a_damaged_dump_is_not_taken_without_the_flag(tmp_path, halves):
    import gzip

    posts, a, _ = halves
    cut = tmp_path / "C.gz"
    lines = a.read_bytes() * 2000
    cut.write_bytes(gzip.compress(lines)[:-20])
    out = tmp_path / "o"
    _stopped(Dumps((posts,), (cut,), allow_truncated=True), out, preset("none"), "plan")
    with pytest.raises(DataError, match="truncated"):
        pipeline.build(Dumps((posts,), (cut,)), out, preset("none"), KEY)


def test_killed_while_old_work_is_removed(tmp_path, monkeypatch):
    out = tmp_path / "o"
    _stopped(sample.DUMPS, out, SHARDED, "trees")

    def half(path, *_, **__):
        """The death of the process after the first file is gone."""
        next(file for file in sorted(path.rglob("rows-*"))).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files.shutil, "rmtree", half)
        with pytest.raises(KeyboardInterrupt):
            pipeline.build(sample.DUMPS, out, SHARDED, KEY, fresh=True)
    pipeline.build(sample.DUMPS, out, SHARDED, KEY)
    pipeline.build(sample.DUMPS, tmp_path / "whole", SHARDED, KEY)
    assert tree_bytes(out) == tree_bytes(tmp_path / "whole")


@pytest.mark.parametrize(("stage", "pattern"), [("trees", "rows-*"), ("finishing", "*.parquet")])
def test_lost_files_of_a_unit_are_noticed(tmp_path, stage, pattern):
    out = tmp_path / "o"
    _stopped(sample.DUMPS, out, SHARDED, stage)
    next(path for path in sorted((out / ".run/work").rglob(pattern))).unlink()
    for plan in (out / ".run/work").glob("*/plan"):
        if stage == "trees":
            files.remove(plan)
    with pytest.raises(DataError, match="--fresh"):
        pipeline.build(sample.DUMPS, out, SHARDED, KEY)
    pipeline.build(sample.DUMPS, out, SHARDED, KEY, fresh=True)


def test_a_unit_without_its_folder_is_made_whatever_its_marker_says(tmp_path):
    out = tmp_path / "o"
    _stopped(sample.DUMPS, out, SHARDED, "choose", how=Execution(workers=1))
    files.remove(next((out / ".run/work").glob("*/trees/00003")))
    pipeline.build(sample.DUMPS, out, SHARDED, KEY, how=Execution(workers=1))
    pipeline.build(sample.DUMPS, tmp_path / "whole", SHARDED, KEY)
    assert tree_bytes(out) == tree_bytes(tmp_path / "whole")


def test_a_worker_makes_no_author_key(tmp_path):
    key = tmp_path / "key"

    def vanish(stage, done, of):
        if stage == "trees":
            key.unlink(missing_ok=True)

    with pytest.raises(DataError, match="author key"):
        pipeline.build(sample.DUMPS, tmp_path / "o", SHARDED, key, on_progress=vanish)
    assert not key.exists()


@pytest.mark.parametrize("what", ["key", "takedown"])
def test_secrets_that_change_during_a_build_are_noticed(tmp_path, what):
    key, listed = tmp_path / "key", tmp_path / "list"
    authors.read_key(key, tmp_path / "o", make=True)
    listed.write_text("t3_nothing\n")

    def change(stage, done, of):
        if stage == "trees":
            (key if what == "key" else listed).write_text("t3_" + "f" * 40)

    with pytest.raises(SettingsError, match="changed"):
        pipeline.build(
            sample.DUMPS, tmp_path / "o", SHARDED, key, taken_down=listed, on_progress=change
        )


@pytest.mark.parametrize("shard_rows", [1, 64_000])
def test_outcome_stated_by_the_copy_that_is_not_kept(tmp_path, shard_rows):
    posts = [post(name) for name in ("p", "q")]
    copies = [
        reply("c", "p", retrieved_on=10, delta="true", delta_by="op"),
        reply("c", "q", "q", retrieved_on=20),
    ]
    dump = Dumps((write_lines(tmp_path / "RS", posts),), (write_lines(tmp_path / "RC", copies),))
    settings = resolve("none", {}, [f"shard_rows={shard_rows}"])
    counts = pipeline.build(dump, tmp_path / "o", settings, KEY)
    found = folder.read(tmp_path / "o", "utterances").filter(utterance_id="t1_c")
    assert rows(found, "thread_id", "delta", "delta_by") == [("t3_q", True, "op")]
    assert counts["threads"]["duplicates"] == 1


def test_worker_killed_between_stages_is_told(tmp_path):
    import multiprocessing

    def kill(stage, done, of):
        if stage == "plan" and not done:
            for child in multiprocessing.active_children():
                child.kill()
                child.join()

    with pytest.raises(WorkerError, match="was killed"):
        pipeline.build(
            sample.DUMPS, tmp_path / "o", SHARDED, KEY, how=Execution(workers=1), on_progress=kill
        )
    pipeline.build(sample.DUMPS, tmp_path / "o", SHARDED, KEY)


def test_disk_full_while_a_unit_settles_is_recorded(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(units, "settle", full)
    with pytest.raises(DataError, match=r"No space left.*free the disk"):
        pipeline.build(sample.DUMPS, tmp_path / "o", SHARDED, KEY)
    assert "No space left" in next((tmp_path / "o").rglob("*-failure.json")).read_text()
    assert not [*(tmp_path / "o").rglob(f"*{files.TEMPORARY}")]


def test_only_a_full_disk_is_told_to_be_freed(tmp_path):
    with pytest.raises(DataError) as caught, files.told_errors(tmp_path / "unit"):
        (tmp_path / "gone").read_text()
    assert "gone" in str(caught.value)
    assert "free the disk" not in str(caught.value)


def test_out_of_memory_in_python_is_told(tmp_path, monkeypatch):
    def starved(*_):
        raise MemoryError

    monkeypatch.setattr("sad.build.trees.make", starved)
    with pytest.raises(WorkerError, match="memory"):
        pipeline.build(sample.DUMPS, tmp_path / "o", SHARDED, KEY)


def test_every_error_survives_the_way_from_a_worker():
    made = {
        errors.DataError: errors.DataError("path", "what", line=3, field="f"),
        errors.MissingExtraError: errors.MissingExtraError("ray", "ray"),
        errors.WorkerError: errors.WorkerError("what", 5),
    }

    def below(kind):
        return [kind, *(each for sub in kind.__subclasses__() for each in below(sub))]

    for kind in below(SadError):
        error = made.get(kind) or (
            kind("path", "what") if issubclass(kind, DataError) else kind("what")
        )
        again = pickle.loads(pickle.dumps(error))  # noqa: S301
        assert type(again) is kind
        assert str(again) == str(error)
        assert vars(again) == vars(error)
        assert again.exit_code == error.exit_code


def test_relative_paths_are_made_whole(tmp_path, monkeypatch, halves):
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    jobs = []
    real = pipeline.started

    def spy(how, work, job, *rest, **more):
        jobs.append(job)
        return real(how, work, job, *rest, **more)

    monkeypatch.setattr(pipeline, "started", spy)
    pipeline.build(Dumps((Path("RS"),), (Path("A"),)), Path("o"), preset("none"), KEY)
    (job,) = jobs
    assert all(path.is_absolute() for path in (job.out, job.work, *job.source.files()))
