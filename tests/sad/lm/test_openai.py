"""Served models against a real HTTP server that fails in every way we know."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from email.utils import formatdate
from pathlib import Path

import pytest
from fake_openai import KEY, MODEL, Fault, error, serve
from helpers import fill_disk

from sad.errors import DataError, MissingExtraError, ModelError
from sad.lm import Choose, Message, Request, Write, open_model
from sad.lm.cache import Cache
from sad.lm.servers import Server
from sad.lm.settings import LmSettings

ROOT = Path(__file__).parents[3]
SCHEMA = '{"type": "object", "properties": {"a": {"type": "string"}}}'


def _ask(text, **write):
    return Request((Message("user", text),), Write(SCHEMA, **write))


def _echo(body):
    return json.dumps({"a": body["messages"][-1]["content"]})


def _model(url, tmp_path, **values):
    settings = LmSettings(cache=tmp_path / "lm", **({"first_wait": 0.05} | values))
    return open_model(f"{url}#{MODEL}", settings)


def _dead():
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def test_every_request_is_answered_and_at_most_in_flight_at_once(tmp_path):
    with serve(_echo, seconds=0.05) as fake:
        model = _model(fake.url, tmp_path, in_flight=4)
        found = dict(model.answer([_ask(f"t{i}") for i in range(20)]))
    assert [json.loads(found[i].text)["a"] for i in range(20)] == [f"t{i}" for i in range(20)]
    assert fake.most_at_once == 4
    assert set(fake.asked.values()) == {1}
    assert (model.usage.answered, model.usage.tokens_in, model.usage.tokens_out) == (20, 2000, 200)


def test_what_is_sent(tmp_path):
    bodies = []
    with serve(lambda body: bodies.append(body) or "{}") as fake:
        request = _ask("hello", max_tokens=7, seed=3)
        list(_model(fake.url, tmp_path).answer([request]))
    assert bodies[0] | {"response_format": None} == {
        "model": MODEL, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 7,
        "temperature": 0.0, "seed": 3, "response_format": None,
    }  # fmt: skip
    form = bodies[0]["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["schema"] == json.loads(SCHEMA)
    assert fake.keys["hello"] == {request.digest(MODEL)}


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_passing_failure_is_tried_again_under_the_same_key(status, tmp_path):
    def fault(_, n):
        return error(status) if n <= 2 else None

    with serve(_echo, fault=fault) as fake:
        ((_, answer),) = _model(fake.url, tmp_path).answer([_ask("a")])
    assert answer.text == '{"a": "a"}'
    assert fake.asked["a"] == 3
    assert len(fake.keys["a"]) == 1


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"message": 3}]}', b"null", b""],
)
def test_garbage_is_tried_again(body, tmp_path):
    def fault(_, n):
        return Fault(200, body) if n == 1 else None

    with serve(_echo, fault=fault) as fake:
        ((_, answer),) = _model(fake.url, tmp_path).answer([_ask("a")])
    assert answer.text == '{"a": "a"}'
    assert fake.asked["a"] == 2


def test_slow_answer_is_tried_again(tmp_path):
    def fault(_, n):
        return Fault(seconds=1.0) if n == 1 else None

    with serve(_echo, fault=fault) as fake:
        ((_, answer),) = _model(fake.url, tmp_path, timeout=0.3).answer([_ask("a")])
    assert answer.text == '{"a": "a"}'
    assert fake.asked["a"] == 2


def test_server_says_how_long_to_wait(tmp_path):
    def fault(_, n):
        return error(429, headers={"Retry-After": "0.7"}) if n == 1 else None

    with serve(_echo, fault=fault) as fake:
        list(_model(fake.url, tmp_path).answer([_ask("a")]))
    assert fake.times[1] - fake.times[0] >= 0.7


def test_server_may_say_it_as_a_date(tmp_path):
    from sad.lm.servers import _retry_after

    wait = _retry_after({"retry-after": formatdate(time.time() + 100, usegmt=True)})
    assert wait == pytest.approx(100, abs=2)
    assert _retry_after({"retry-after": "soon"}) is None
    assert _retry_after({}) is None


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("0.7", 0.7), ("600", 600), ("601", 600), ("86400", 600), ("1e400", 600), ("inf", 600),
        ("nan", 600), ("-3", 0), ("-inf", 0), ("Fri, 31 Dec 9999 23:59:59 GMT", 600),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None), ("Sat, 01 Jan 2000 00:00:00 GMT", 0),
        ("Mon, 99 Jan 2000 00:00:00 GMT", None),
    ],
)  # fmt: skip
def test_no_server_may_make_us_wait_for_longer_than_ten_minutes(said, seconds):
    from sad.lm.servers import _retry_after

    assert _retry_after({"retry-after": said}) == seconds


def test_waits_double(tmp_path):
    def fault(_, n):
        return error(503) if n <= 4 else None

    with serve(_echo, fault=fault) as fake:
        list(_model(fake.url, tmp_path, first_wait=0.1).answer([_ask("a")]))
    waits = [b - a for a, b in zip(fake.times, fake.times[1:], strict=False)]
    for n, wait in enumerate(waits):  # half of it at least: the rest is chance, against herds
        assert wait >= 0.05 * 2**n


def test_failing_for_good_ends_with_an_error_and_keeps_what_came(tmp_path):
    def fault(body, _):
        return error(500) if body["messages"][-1]["content"] == "bad" else None

    with serve(_echo, fault=fault) as fake:
        model = _model(fake.url, tmp_path, tries=2, in_flight=1)
        with pytest.raises(ModelError, match="fails with 500; tried 2 times"):
            list(model.answer([_ask("good"), _ask("bad"), _ask("never")]))
        found = _model(fake.url, tmp_path)
        list(found.answer([_ask("good")]))
    assert found.usage.cached == 1
    assert fake.asked == {"good": 1, "bad": 2}


def test_one_dead_server_of_three_costs_nothing_but_its_share(tmp_path):
    with serve(_echo) as first, serve(_echo) as second:
        spec = f"{first.url},{_dead()},{second.url}"
        found = dict(_model(spec, tmp_path, in_flight=2).answer([_ask(f"t{i}") for i in range(30)]))
    assert len(found) == 30
    assert sum(first.asked.values()) + sum(second.asked.values()) == 30
    assert min(first.asked.total(), second.asked.total()) >= 10  # in turn


def test_server_that_dies_on_the_way_is_replaced(tmp_path):
    def fault(_, n):
        return error(503) if failing.asked.total() > 5 else None

    with serve(_echo) as well, serve(_echo, fault=fault) as failing:
        model = _model(f"{well.url},{failing.url}", tmp_path, in_flight=2, first_wait=5.0)
        begin = time.monotonic()
        found = dict(model.answer([_ask(f"t{i}") for i in range(30)]))
    assert len(found) == 30
    assert failing.asked.total() <= 5 + 2  # it rests after its first failure
    assert time.monotonic() - begin < 4


@pytest.mark.parametrize("refused", [("json_schema",), ("json_schema", "json_object")])
def test_form_that_the_server_refuses_is_replaced_and_remembered(refused, tmp_path):
    forms = tuple({"json_schema", "json_object", "text"} - set(refused))
    with serve(_echo, forms=forms) as fake:
        found = dict(_model(fake.url, tmp_path, in_flight=1).answer([_ask("a"), _ask("b")]))
    assert [found[i].text for i in (0, 1)] == ['{"a": "a"}', '{"a": "b"}']
    assert fake.asked == {"a": 1 + len(refused), "b": 1}


def test_parameter_that_the_server_refuses_by_name_is_left_out(tmp_path):
    bodies = []

    def fault(body, _):
        for name in ("max_tokens", "temperature"):
            if name in body:
                return error(400, param=name, code="unsupported_parameter")
        bodies.append(body)
        return None

    with serve(_echo, fault=fault) as fake:
        ((_, answer),) = _model(fake.url, tmp_path).answer([_ask("a", max_tokens=9)])
    assert answer.text == '{"a": "a"}'
    assert bodies[0]["max_completion_tokens"] == 9


def test_refused_request_is_a_fault_and_the_others_are_answered(tmp_path):
    def fault(body, _):
        return error(400, "too many tokens") if body["messages"][-1]["content"] == "bad" else None

    with serve(_echo, fault=fault) as fake:
        model = _model(fake.url, tmp_path, in_flight=1)
        found = dict(model.answer([_ask("bad"), _ask("good")]))
        assert "too many tokens" in found[0].fault
        assert found[1].text
        list(model.answer([_ask("bad")]))
    assert fake.asked["bad"] == 6  # a fault is not kept; three forms are tried each time


@pytest.mark.parametrize("limited", ["max_tokens", "max_completion_tokens"])
def test_answer_that_is_cut_off_is_a_fault_that_is_paid_and_not_kept(limited, tmp_path):
    def fault(body, _):
        refused = limited == "max_completion_tokens" and "max_tokens" in body
        return error(400, param="max_tokens", code="unsupported_parameter") if refused else None

    with serve(_echo, fault=fault, needs=lambda _: 8) as fake:
        model = _model(fake.url, tmp_path, price_out=1e6)
        found = dict(model.answer([_ask("a", max_tokens=7), _ask("a", max_tokens=8)]))
        again = dict(_model(fake.url, tmp_path).answer([_ask("a", max_tokens=7)]))
    assert (found[0].cut_off, found[0].fault) == (True, f"{fake.url}: cut off after 7 tokens")
    assert (found[1].cut_off, found[1].fault, found[1].text) == (False, None, '{"a": "a"}')
    assert (model.usage.answered, model.usage.faults, model.usage.tokens_out) == (1, 1, 7 + 10)
    assert model.usage.price == 17
    assert not again[0].cached


def test_withheld_answer_is_a_fault_that_is_paid(tmp_path):
    choice = {"index": 0, "message": {"content": None}, "finish_reason": "content_filter"}
    body = {"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 3}}
    with serve(_echo, fault=lambda *_: Fault(200, body)) as fake:
        model = _model(fake.url, tmp_path)
        ((_, answer),) = model.answer([_ask("a")])
    assert "withholds the answer" in answer.fault
    assert (model.usage.tokens_in, model.usage.tokens_out) == (100, 3)


def test_revision_tells_models_of_one_name_apart_and_is_not_sent(tmp_path):
    bodies = []
    with serve(lambda body: bodies.append(body) or _echo(body)) as fake:
        for revision in ("", "r1", "r2", "r1"):
            model = _model(fake.url, tmp_path, revision=revision)
            ((_, answer),) = model.answer([_ask("a")])
            assert model.id == answer.model == (f"{MODEL}@{revision}" if revision else MODEL)
    assert [body["model"] for body in bodies] == [MODEL] * 3  # the second r1 is kept
    assert len(fake.keys["a"]) == 3
    assert len(dict(Cache(tmp_path / "lm").rows(f"{MODEL}@r1"))) == 1


def test_missing_client_names_the_extra_that_holds_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match="openai is not installed") as raised:
        _model("http://localhost/v1", tmp_path)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = wanted["optional-dependencies"][raised.value.extra]
    assert any(requirement.startswith("openai") for requirement in extra)


@pytest.mark.parametrize(
    ("key", "said", "told"),
    [
        (None, "there are none", "there are none"),
        ("sk-mine", "there are none of sk-mine", "there are none of [key]"),
        ("sk-mine", "." * 196 + "sk-mine", "." * 196 + "[key"),  # cut at 200 letters
    ],
)
def test_words_of_a_refusal_are_kept_but_for_the_key(key, said, told, tmp_path, monkeypatch):
    from httpx import Request as Sent
    from httpx import Response
    from openai import APIStatusError

    monkeypatch.delenv("MY_KEY", raising=False)
    if key:
        monkeypatch.setenv("MY_KEY", key)
    server = Server("http://host/v1", LmSettings(key_variable="MY_KEY"))
    response = Response(400, request=Sent("POST", "http://host/v1"))
    refusal = APIStatusError(said, response=response, body=None)
    assert server._said(refusal) == f"http://host/v1 refuses the request: {told}"


def test_unreachable_server_is_told_at_once(tmp_path):
    url = _dead()
    begin = time.monotonic()
    with pytest.raises(ModelError, match=f"{url} cannot be reached"):
        list(_model(url, tmp_path, first_wait=5.0).answer([_ask("a")]))
    assert time.monotonic() - begin < 4


@pytest.mark.parametrize(("key", "told"), [(None, "is not set"), ("sk-wrong-key", "it refuses")])
def test_wrong_key_is_told_and_never_shown(key, told, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.delenv("MY_KEY", raising=False)
    if key:
        monkeypatch.setenv("MY_KEY", key)
    with serve(_echo, needs_key=True) as fake, pytest.raises(ModelError, match=told) as raised:
        list(_model(fake.url, tmp_path, key_variable="MY_KEY").answer([_ask("a")]))
    assert "MY_KEY" in str(raised.value)
    assert "sk-wrong-key" not in str(raised.value) + caplog.text


def test_right_key_is_taken_and_never_written(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve(_echo, needs_key=True) as fake:
        assert len(list(_model(fake.url, tmp_path).answer([_ask("a")]))) == 1
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and KEY.encode() in p.read_bytes()]


def test_unknown_model_is_told_with_those_there_are(tmp_path):
    with (
        serve(_echo, models=("other",)) as fake,
        pytest.raises(ModelError, match="it serves: other"),
    ):
        list(_model(fake.url, tmp_path).answer([_ask("a")]))


def test_no_quota_is_not_tried_again(tmp_path):
    def fault(*_):
        return error(429, code="insufficient_quota")

    with serve(_echo, fault=fault) as fake, pytest.raises(ModelError, match="no quota"):
        list(_model(fake.url, tmp_path).answer([_ask("a")]))
    assert fake.asked["a"] == 1


def test_served_model_cannot_choose(tmp_path):
    with pytest.raises(ModelError, match="not choose"):
        list(
            _model(_dead(), tmp_path).answer([Request((Message("user", "a"),), Choose(("y", "n")))])
        )


def test_answers_come_as_they_are_given(tmp_path):
    def fault(body, _):
        return Fault(seconds=2.0) if body["messages"][-1]["content"] == "slow" else None

    with serve(_echo, fault=fault) as fake:
        begin = time.monotonic()
        answers = _model(fake.url, tmp_path).answer([_ask("slow"), _ask("fast")])
        place, _ = next(answers)
        assert place == 1
        answers.close()  # cancels the other
        assert time.monotonic() - begin < 1.5


def test_works_inside_a_running_event_loop(tmp_path):
    import asyncio

    async def notebook():
        return list(_model(fake.url, tmp_path).answer([_ask("a")]))

    with serve(_echo) as fake:
        assert len(asyncio.run(notebook())) == 1


ASKING = """
import sys
from pathlib import Path
from sad.lm import Message, Request, Write, open_model
from sad.lm.settings import LmSettings
model = open_model(sys.argv[1], LmSettings(cache=Path(sys.argv[2]), in_flight=4))
asked = [Request((Message("user", f"t{i}"),), Write("{}")) for i in range(40)]
for _ in model.answer(asked):
    print("answered", flush=True)
print("done", model.usage.answered, model.usage.cached)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_answer_is_lost_when_the_process_is_stopped(how, tmp_path):
    command = [sys.executable, "-c", ASKING]
    with serve(_echo, seconds=0.05) as fake:
        arguments = [f"{fake.url}#{MODEL}", str(tmp_path / "lm")]
        first = subprocess.Popen(
            [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(12):
            first.stdout.readline()
        begin = time.monotonic()
        os.kill(first.pid, how)
        first.wait(10)
        assert time.monotonic() - begin < 3
        first.communicate()
        time.sleep(0.2)  # what was in flight is counted
        sent = fake.asked.total()
        assert 12 <= sent < 40
        kept = dict(Cache(tmp_path / "lm").rows(MODEL))
        second = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    assert f"done {40 - len(kept)} {len(kept)}" in second.stdout
    assert len(kept) >= 12
    repeated = {text for text, n in fake.asked.items() if n > 1}
    assert len(repeated) <= 4  # those in flight at the stop
    assert fake.asked.total() == 40 + len(repeated)
    assert all(len(keys) == 1 for keys in fake.keys.values())


def test_full_disk_stops_the_asking(small_disk, tmp_path):
    with serve(_echo) as fake:
        model = _model(fake.url, small_disk)
        fill_disk(small_disk)
        with pytest.raises(DataError, match="free the disk"):
            list(model.answer([_ask(f"t{i}") for i in range(200)]))
        assert fake.asked.total() < 200
        assert not [t for t in threading.enumerate() if t.name.startswith("lm ")]
