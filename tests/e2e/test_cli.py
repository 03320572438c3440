import json
import shutil
import subprocess
import sys
import time
from importlib.metadata import entry_points

import polars as pl
import pytest
from helpers import LONG, post, reply, tree_bytes, write_lines

from annotate import sentences
from sad.files import read_json


@pytest.fixture
def dump(tmp_path):
    return (
        write_lines(tmp_path / "RS.ndjson", [post()]),
        write_lines(tmp_path / "RC.ndjson", [reply("a", "p"), reply("b", "a")]),
    )


def test_help_lists_every_group_with_a_line(run):
    done = run("--help")
    assert done.code == 0
    for point in entry_points(group="sad.commands"):
        line = next(x for x in done.out.splitlines() if x.split()[:1] == [point.name])
        assert len(line.split()) > 2


def _commands():
    import typer

    from sad import cli

    found = []

    def walk(command, path):
        if hasattr(command, "commands"):
            for name in command.list_commands(None):
                walk(command.get_command(None, name), [*path, name])
        else:
            found.append((path, command))

    walk(typer.main.get_command(cli.app), [])
    for point in entry_points(group="sad.commands"):
        walk(typer.main.get_command(point.load()), [point.name])
    return found


@pytest.mark.parametrize(
    ("path", "command"), _commands(), ids=lambda x: " ".join(x) if isinstance(x, list) else ""
)
def test_every_command_shows_an_example(path, command):
    if path not in (["doctor"], ["bench", "path"]):
        assert "Example: " in command.help


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nonsense"], 2, "No such command"),
        (["build"], 2, "--out"),
        (["build", "--out", "{tmp}/o"], 2, "give one source"),
        (["build", "--out", "{tmp}/o", "--submissions", "{rs}"], 2, "give one source"),
        (["build", "--out", "{tmp}/o", "--sample", "--threads", "{tmp}"], 2, "give one source"),
        (["build", "--out", "{tmp}/o", "--submissions", "{tmp}/no", "--comments", "{rc}"], 2, "no"),
        (["build", "--out", "{tmp}/o", "--sample", "--rules", "strict"], 3, "paper, none"),
        (["build", "--out", "{tmp}/o", "--sample", "--set", "min_words=many"], 3, "min_words"),
        (["build", "--out", "{tmp}/o", "--sample", "--set", "x"], 3, "NAME=VALUE"),
        (["build", "--out", "{tmp}/o", "--sample", "--set", "rules=none"], 3, "--rules none"),
        (["build", "--out", "{tmp}/o", "--sample", "--set", "window.since=2016-13-01"], 3, "since"),
        (["build", "--out", "{tmp}/o", "--sample", "--settings", "{loop}"], 3, "contains itself"),
        (["build", "--out", "{tmp}/o", "--submissions", "{rs}", "--comments", "{rs}"], 4, "dump of comments"),
        (["import", "tree", "{badtree}", "--out", "{tmp}/o"], 4, "children to be a list"),
        (["annotate", "text", "--labeller", "cues", "--in", "{context}", "--out", "{tmp}/o"], 4, "context"),
        (["annotate", "text", "--labeller", "cues", "--in", "{deep}", "--out", "{tmp}/o"], 4, "not JSON"),
        (["build", "--out", "{tmp}/o", "--submissions", "{rs}", "--comments", "{cut}"], 4, "--allow-truncated"),
        (["build", "--out", "{tmp}/o", "--sample", "--takedown", "{badtree}"], 4, "line 1"),
        (["build", "--out", "{tmp}/o", "--sample", "--takedown", "{tmp}/no"], 2, "does not exist"),
        (["build", "--out", "{tmp}/o", "--sample", "--set", "on_fail=burn"], 3, "on_fail"),
        (["build", "--out", "{tmp}/o", "--sample", "--set", "near_duplicates=0"], 3, "near_duplicates"),
        (["build", "--out", "{tmp}/o", "--sample", "--set", "language=klingon"], 3, "language"),
        (["import", "released", "{tmp}", "--out", "{tmp}/o"], 4, "sent.json"),
        (["import", "convokit", "{tmp}", "--out", "{tmp}/o"], 4, "utterances.jsonl"),
        (["import", "webis", "{tmp}", "--out", "{tmp}/o"], 4, "holds no threads.jsonl"),
        (["import", "priniski", "{tmp}", "--out", "{tmp}/o"], 4, "posts.jsonl.gz"),
        (["import", "op-posts", "{tmp}", "--out", "{tmp}/o"], 4, "holds no *.csv"),
        (["import", "jsonl", "{deep}", "--out", "{tmp}/o"], 4, "no line is a JSON object"),
        (["export", "released", "{tmp}", "--out", "{tmp}/o"], 4, "not a build"),
        (["export", "chat", "{built}", "--out", "{tmp}/o"], 4, "no labels"),
        (["build", "--out", "{tmp}", "--sample"], 3, "not a build"),
        (["build", "--out", "{rs}", "--sample"], 3, "is a file"),
        (["build", "--out", "{tmp}/o", "--threads", "{tmp}/none"], 4, "is missing"),
        (["build", "--out", "{tmp}/o", "--submissions", "{bad}", "--comments", "{rc}"], 4, "byte"),
        (["import", "tree", "{rs}", "--out", "{tmp}/o"], 4, "RS.ndjson"),
        (["import", "csv", "{rs}", "--out", "{tmp}/o"], 3, "modes, op_posts, priniski, released, tree"),
        (["import", "tree", "{tmp}/no", "--out", "{tmp}/o"], 2, "does not exist"),
        (["export", "xml", "{tmp}", "--out", "{tmp}/o"], 3, "pushshift"),
        (["export", "pushshift", "{tmp}", "--out", "{tmp}/o"], 4, "is missing"),
        (["show", "{tmp}"], 4, "not a finished build"),
        (["show", "{built}", "t3_nothing"], 4, "holds no dialogue"),
        (["validate", "{tmp}"], 4, "not a finished build"),
        (["stats", "build", "{tmp}/no"], 4, "not a finished build"),
        (["models", "path", "gpt"], 4, "smollm2"),
        (["annotate", "text", "--labeller", "oracle", "--in", "{rs}", "--out", "{tmp}/o"], 3, "cues"),
        (["annotate", "text", "--labeller", "cues", "--in", "{rs}", "--out", "{tmp}/o"], 4, "line 1, text"),
        (["annotate", "label", "{tmp}", "--labeller", "cues"], 4, "not a finished build"),
        (["annotate", "aggregate", "{built}", "--method", "coin"], 3, "majority"),
        (["annotate", "aggregate", "{built}", "--votes", "{tmp}/no.parquet"], 4, "no.parquet"),
        (["bench", "run", "--out", "{tmp}/o", "--data", "{tmp}"], 4, "not a finished build"),
        (["bench", "run", "--out", "{tmp}/o", "--data", "{built}"], 4, "no labels"),
        (["bench", "run", "--out", "{tmp}/o", "--limit", "0"], 2, "limit"),
        (["bench", "report", "{tmp}", "--out", "{tmp}/r.html"], 4, "no results of lm-eval"),
        (["bench", "report", "--out", "{tmp}/r.html"], 2, "RUN"),
    ],
)  # fmt: skip
def test_wrong_input_gives_one_line_and_its_code(
    run, tmp_path, dump, built_sample, arguments, code, told
):
    import zstandard

    bad = tmp_path / "bad.zst"
    bad.write_bytes(zstandard.ZstdCompressor().compress(dump[1].read_bytes() * 90)[:-9])
    cut = tmp_path / "cut.zst"
    cut.write_bytes(zstandard.ZstdCompressor().compress(dump[1].read_bytes() * 90)[:-30])
    (tmp_path / "loop").write_text("a: &a [*a]\n")
    (tmp_path / "badtree").write_text('{"node": {"id": "a", "text": "x"}, "children": 5}')
    (tmp_path / "context").write_text('{"id": "1", "text": "x", "context": 5}\n')
    (tmp_path / "deep").write_text("[" * 200_000)
    more = {name: tmp_path / name for name in ("loop", "badtree", "context", "deep")}
    names = more | {
        "tmp": tmp_path,
        "rs": dump[0],
        "rc": dump[1],
        "bad": bad,
        "cut": cut,
        "built": built_sample,
    }
    done = run(*(argument.format(**names) for argument in arguments))
    assert done.code == code, done.err
    lines = [line for line in done.err.splitlines() if not line.endswith(" ...")]
    assert len(lines) == 1
    assert lines[0].startswith("sad: ")
    assert told in lines[0]


def test_missing_extra_is_named(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "spacy", None)
    sentences.pipeline.cache_clear()
    (tmp_path / "in.jsonl").write_text('{"id": "1", "text": "x"}\n')
    done = run("annotate", "text", "--labeller", "cues", "--in", tmp_path / "in.jsonl",
               "--out", tmp_path / "out.jsonl")  # fmt: skip
    assert done.code == 5
    assert "sad-dialogue[labels]" in done.err
    assert not (tmp_path / "out.jsonl").exists()


def test_ctrl_c_is_130(run, monkeypatch, tmp_path):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sad.build.pipeline.build", stop)
    assert run("build", "--sample", "--out", tmp_path / "o").code == 130


def test_several_files_after_one_option(run, dump, tmp_path):
    more = write_lines(tmp_path / "RC2", [reply("c", "p")])
    done = run(
        "build", "--submissions", dump[0], "--comments", dump[1], more, "--out", tmp_path / "o"
    )
    assert done.code == 0
    assert read_json(tmp_path / "o/.run/counts.json")["read"]["comments"] == 3


def test_settings_file_and_set(run, dump, tmp_path):
    (tmp_path / "s.yaml").write_text("min_turns: 3\nwindow: null\n")
    done = run("build", "--submissions", dump[0], "--comments", dump[1], "--out", tmp_path / "o",
               "--settings", tmp_path / "s.yaml", "--set", "min_turns=4")  # fmt: skip
    assert done.code == 0
    assert read_json(tmp_path / "o/.run/counts.json")["paths"]["dropped"]["min_turns"] == 1


def test_whole_way_of_a_newcomer(run, tmp_path):
    out = tmp_path / "s"
    assert run("build", "--sample", "--out", out).code == 0
    assert run("annotate", "label", out, "--labeller", "cues").code == 0
    assert run("annotate", "aggregate", out, "--method", "majority").code == 0
    assert run("validate", out).code == 0
    shown = run("show", out, "t3_s29")
    assert "t1_s29a4" in shown.out
    assert "Question" in shown.out
    stats = run("stats", "build", out, "--plots", tmp_path / "plots")
    assert "392,822" in stats.out
    assert sorted(p.name for p in (tmp_path / "plots").iterdir()) == [
        "drops.svg", "funnel.svg", "sets.svg", "sizes.svg", "strategies.svg", "turns.svg",
    ]  # fmt: skip
    sources = pl.read_parquet(out / "utterances" / "*.parquet")["label_source"].unique().to_list()
    assert sources == ["stance:structure; strategies:heuristic(cues)"]


def test_labelling_again_writes_the_same_bytes(run, built_sample, tmp_path):
    shutil.copytree(built_sample, tmp_path / "b")
    written = []
    for _ in range(2):
        assert run("annotate", "label", tmp_path / "b", "--labeller", "cues").code == 0
        written.append((tmp_path / "b" / "votes" / "cues.parquet").read_bytes())
    assert written[0] == written[1]


def test_text_keeps_order_and_form(run, tmp_path):
    lines = [
        {"id": f"{i}", "text": t, "topic": "x", "context": ["y"]}
        for i, t in enumerate(["", "Who?", "No."])
    ]
    write_lines(tmp_path / "in.jsonl", lines)
    assert run("annotate", "text", "--labeller", "cues", "--in", tmp_path / "in.jsonl",
               "--out", tmp_path / "out.jsonl").code == 0  # fmt: skip
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [record["id"] for record in found] == ["0", "1", "2"]
    assert [record["strategies"] for record in found] == [[], ["Question"], ["Statement"]]
    assert all(set(record) == {"id", "strategies", "scores", "spans"} for record in found)
    assert found[1]["spans"] == [{"label": "Question", "start": 0, "end": 4}]


@pytest.mark.parametrize("text", ["\ud800 odd?", "long " * 300_000, "no break" * 200_000])
def test_odd_text_is_labelled(run, tmp_path, text):
    write_lines(tmp_path / "in.jsonl", [{"id": "1", "text": text}])
    done = run("annotate", "text", "--labeller", "cues", "--in", tmp_path / "in.jsonl",
               "--out", tmp_path / "out.jsonl")  # fmt: skip
    assert done.code == 0
    assert json.loads((tmp_path / "out.jsonl").read_text())["strategies"]


def test_a_cut_dump_is_read_up_to_the_damage(run, tmp_path):
    import zstandard

    rs = write_lines(tmp_path / "RS", [post()])
    many = [reply(f"c{i}", "p", body=f"{i * 7919 % 10007} {LONG} {i * 31}") for i in range(9000)]
    whole = zstandard.ZstdCompressor().compress(write_lines(tmp_path / "RC", many).read_bytes())
    cut = tmp_path / "RC.zst"
    cut.write_bytes(whole[: len(whole) // 2])
    arguments = ["build", "--submissions", rs, "--comments", cut, "--out", tmp_path / "o"]
    assert run(*arguments).code == 4
    assert run(*arguments, "--allow-truncated").code == 0
    counts = read_json(tmp_path / "o/.run/counts.json")["read"]
    assert counts["damaged_files"] == 1
    assert 1000 < counts["comments"] < 9000
    assert counts["seen"] == counts["kept"] + sum(counts["dropped"].values())


def test_takedown_list(run, dump, tmp_path):
    (tmp_path / "list").write_text("t1_b\n")
    done = run("build", "--submissions", dump[0], "--comments", dump[1], "--out", tmp_path / "o",
               "--takedown", tmp_path / "list")  # fmt: skip
    assert done.code == 0
    assert "taken_down 1" in done.out


def test_threads_are_drawn_as_trees(run, tmp_path):
    rs = write_lines(tmp_path / "RS", [post(selftext=f"{LONG} " * 4)])
    rc = write_lines(tmp_path / "RC", [reply("a", "p"), reply("b", "a"), reply("c", "p")])
    run("build", "--submissions", rs, "--comments", rc, "--out", tmp_path / "o")
    drawn = [line[:4] for line in run("show", tmp_path / "o", "t3_p").out.splitlines()[2:]]
    assert drawn[0] == "t3_p"
    assert drawn[-6:] == ["├─t1", "│ │ ", "│ └─", "│   ", "└─t1", "    "]
    assert all(line.startswith("│ ") for line in drawn[1:-6])


def test_no_dialogue_left_is_told(run, tmp_path):
    rs = write_lines(tmp_path / "RS", [post()])
    rc = write_lines(tmp_path / "RC", [reply("a", "p", body="no")])
    done = run("build", "--submissions", rs, "--comments", rc, "--out", tmp_path / "o")
    assert done.code == 0
    assert "no dialogue is left" in done.err


def test_corrected_build_goes_on_in_the_folder_of_the_failed_one(run, dump, tmp_path):
    broken = tmp_path / "RC.gz"
    broken.write_bytes(b"\x1f\x8bbroken")
    out = ("--out", tmp_path / "o")
    assert run("build", "--submissions", dump[0], "--comments", broken, *out).code == 4
    assert run("build", "--submissions", dump[0], "--comments", dump[1], *out).code == 0


def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(tmp_path):
    """SIGKILL at growing delays; whatever is left, the next run ends as an untouched one."""
    steps = [
        ["build", "--sample", "--out", "{}"],
        ["annotate", "label", "{}", "--labeller", "cues"],
        ["annotate", "aggregate", "{}", "--votes", "sample"],
    ]

    def start(step, out):
        command = [sys.executable, "-m", "sad", *(a.format(out) for a in step)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    for step in steps:
        assert start(step, tmp_path / "whole").wait() == 0
    struck = 0
    for step in steps:
        for delay in (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.3):
            process = start(step, tmp_path / "killed")
            time.sleep(delay)
            struck += process.poll() is None and (tmp_path / "killed" / ".run").exists()
            process.kill()
            process.wait()
        assert start(step, tmp_path / "killed").wait() == 0
    assert struck >= 3  # that many were killed when the folder had been begun
    assert tree_bytes(tmp_path / "killed") == tree_bytes(tmp_path / "whole")


def test_hostile_text_cannot_drive_the_terminal(run, tmp_path):
    evil = "\x1b]0;owned\x07\x1b[2J [bold]markup[/bold] " + "word " * 20
    rs = write_lines(tmp_path / "RS", [post(title="CMV: \x1b[31mred", selftext=evil)])
    rc = write_lines(tmp_path / "RC", [reply("a", "p", body=evil)])
    run("build", "--submissions", rs, "--comments", rc, "--rules", "none", "--out", tmp_path / "o")
    for arguments in (["show", tmp_path / "o"], ["show", tmp_path / "o", "t3_p"]):
        done = run(*arguments)
        assert "\x1b]0" not in done.out
        assert "\x1b[2J" not in done.out
        assert "\x1b[31m" not in done.out
    assert "[bold]markup[/bold]" in done.out


def test_piped_text_is_whole(run, tmp_path):
    rs = write_lines(tmp_path / "RS", [post(selftext="word " * 200 + "END")])
    rc = write_lines(tmp_path / "RC", [reply("a", "p", body="other " * 200 + "END")])
    run("build", "--submissions", rs, "--comments", rc, "--rules", "none", "--out", tmp_path / "o")
    shown = run("show", tmp_path / "o", "t3_p").out
    assert (shown.count("word"), shown.count("other"), shown.count("END")) == (200, 200, 2)


def test_doctor_reports_and_finds_clashes(run, monkeypatch):
    done = run("doctor")
    assert done.code == 0
    assert "polars" in done.out
    assert "CLASH" not in done.out
    owners = {"annotate": ["sad-dialogue", "annotate"]}
    monkeypatch.setattr("sad.doctor.packages_distributions", lambda: owners)
    assert "CLASH: annotate also installs" in run("doctor").out


def test_outsiders_can_add_a_group(tmp_path):
    """A package that is not ours adds ``sad extra hello`` with nothing but an entry point."""
    (tmp_path / "outsider.py").write_text(
        '"""Things of others."""\nimport typer\napp = typer.Typer()\n'
        '@app.command()\ndef hello():\n    typer.echo("hello")\n@app.command()\ndef bye(): ...\n'
    )
    info = tmp_path / "outsider-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outsider\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[sad.commands]\nextra = outsider:app\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from sad.cli import main; main()"
    for arguments, told in ((["extra", "hello"], "hello"), (["--help"], "Things of others.")):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
        )
        assert told in done.stdout
