"""Kept answers, what they cost, and recorded ones."""

import json
import multiprocessing
import sqlite3
import time

import pytest

from sad.errors import DataError, ModelError
from sad.lm import Answer, Choose, Message, Request, Write, keep_none, open_model
from sad.lm.cache import FILE, Cache, Cached, Usage
from sad.lm.replay import Replayed, record
from sad.lm.settings import LmSettings


def _ask(text, ask=None):
    return Request((Message("user", text),), ask or Write("{}"))


class Counting:
    """A model that counts what it is asked."""

    chooses = False

    def __init__(self, name="counting"):
        self.id, self.asked = name, []

    def answer(self, requests, keep=keep_none):
        for place, request in enumerate(requests):
            text = request.messages[-1].content
            self.asked.append(text)
            fault = "refused" if text == "bad" else None
            read, written = (0, 0) if fault else (1000, 10)
            found = Answer(self.id, text.upper(), tokens_in=read, tokens_out=written, fault=fault)
            keep([(place, found)])
            yield place, found


def _cached(model, folder, **values):
    return Cached(model, Cache(folder), LmSettings(**values))


def test_an_answer_is_given_once_and_kept(tmp_path):
    model = Counting()
    first = dict(_cached(model, tmp_path).answer([_ask("a"), _ask("b"), _ask("a")]))
    second = dict(_cached(model, tmp_path).answer([_ask("b"), _ask("a"), _ask("c")]))
    assert model.asked == ["a", "b", "c"]
    assert [first[i].text for i in range(3)] == ["A", "B", "A"]
    assert [(second[i].text, second[i].cached) for i in range(3)] == [
        ("B", True),
        ("A", True),
        ("C", False),
    ]


def test_answers_of_another_model_or_request_are_not_taken(tmp_path):
    list(_cached(Counting("one"), tmp_path).answer([_ask("a")]))
    other, changed = Counting("two"), Counting("one")
    list(_cached(other, tmp_path).answer([_ask("a")]))
    list(
        _cached(changed, tmp_path).answer(
            [_ask("a", Write("{}", seed=1)), _ask("a", Choose(("y",)))]
        )
    )
    assert (other.asked, changed.asked) == (["a"], ["a", "a"])


def test_an_answer_is_on_disk_before_it_is_handed_on(tmp_path):
    for n, _ in enumerate(_cached(Counting(), tmp_path).answer([_ask("a"), _ask("b")]), 1):
        with sqlite3.connect(tmp_path / FILE) as other:
            assert other.execute("SELECT count(*) FROM answers").fetchone() == (n,)


def test_faults_are_not_kept(tmp_path):
    model = Counting()
    list(_cached(model, tmp_path).answer([_ask("bad")]))
    ((_, answer),) = _cached(model, tmp_path).answer([_ask("bad")])
    assert answer.fault == "refused"
    assert model.asked == ["bad", "bad"]


def test_log_likelihoods_and_odd_texts_come_back_as_they_were(tmp_path):
    cache = Cache(tmp_path)
    given = Answer("m", "é\u2028\x00\ud800", ((-0.1, -1e-9), (-700.25, -0.3)), 5, 6)
    cache.put([("k", given)])
    assert cache.get(["k", "other"]) == {"k": Answer(**{**_fields(given), "cached": True})}


def _fields(answer):
    return {name: getattr(answer, name) for name in answer.__slots__}


def test_more_keys_than_one_query_takes(tmp_path):
    cache = Cache(tmp_path)
    cache.put([(str(i), Answer("m", str(i))) for i in range(1200)])
    assert len(cache.get(str(i) for i in range(1300))) == 1200


def _put_many(folder, who):
    cache = Cache(folder)
    for i in range(50):
        cache.put([(f"{who}-{i}", Answer("m", "x"))])


def test_two_processes_share_the_file(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_put_many, args=(tmp_path, who)) for who in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert len(dict(Cache(tmp_path).rows("m"))) == 100


def test_a_file_that_is_something_else_is_told(tmp_path):
    (tmp_path / FILE).write_bytes(b"no database at all " * 100)
    with pytest.raises(DataError, match="holds no answers"):
        Cache(tmp_path)


def test_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be"):
        Cache(tmp_path / "file" / "lm")


def test_price_is_of_fresh_answers(tmp_path):
    prices = {"price_in": 2.0, "price_out": 50.0}
    model = _cached(Counting(), tmp_path, **prices)
    list(model.answer([_ask("a"), _ask("b"), _ask("bad")]))
    # 2 answers: 2,000 tokens read at 2 a million, 20 written at 50 a million
    assert model.usage.price == pytest.approx(0.004 + 0.001)
    again = _cached(Counting(), tmp_path, **prices)
    list(again.answer([_ask("a")]))
    assert again.usage.report() == {
        "answered": 0, "cached": 1, "faults": 0, "tokens_in": 0, "tokens_out": 0,
        "seconds": 0.0, "price_in": 2.0, "price_out": 50.0, "price": 0.0,
        "requests_per_second": None, "tokens_per_second": None,
    }  # fmt: skip
    assert Usage().price is None


def test_rates_are_of_fresh_answers():
    usage = Usage(answered=30, cached=500, tokens_in=900, tokens_out=100, seconds=8.0)
    report = usage.report()
    assert (report["requests_per_second"], report["tokens_per_second"]) == (3.75, 125.0)


class Stopped(Counting):
    """A model that keeps two answers, hands on the first and is stopped after a while."""

    def answer(self, requests, keep=keep_none):
        found = list(enumerate([Answer(self.id, "x", tokens_in=7, tokens_out=3)] * 2))
        keep(found)
        yield found[0]
        time.sleep(0.05)
        raise KeyboardInterrupt


def test_usage_is_whole_when_the_asking_is_stopped(tmp_path):
    model = _cached(Stopped(), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        list(model.answer([_ask("a"), _ask("b")]))
    assert (model.usage.answered, model.usage.tokens_in, model.usage.tokens_out) == (2, 14, 6)
    assert model.usage.seconds >= 0.05


def test_recorded_answers_are_replayed_and_nothing_else(tmp_path):
    model = Counting()
    list(_cached(model, tmp_path).answer([_ask("a"), _ask("b")]))
    list(_cached(Counting("other"), tmp_path).answer([_ask("a")]))
    assert record(Cache(tmp_path), "counting", tmp_path / "r.jsonl") == 2
    replayed = open_model(f"replay:{tmp_path / 'r.jsonl'}", LmSettings(cache=tmp_path / "unused"))
    found = dict(replayed.answer([_ask("b"), _ask("a")]))
    assert (replayed.id, found[0].text, found[1].text) == ("counting", "B", "A")
    assert not (tmp_path / "unused").exists()
    with pytest.raises(ModelError, match="no answer to request 1 of 1"):
        list(replayed.answer([_ask("c")]))


def test_record_of_several_models_wants_a_name(tmp_path):
    line = {"key": "k", "text": "", "logprobs": [[-1.0, -2.0]], "tokens_in": 1, "tokens_out": 0}
    file = tmp_path / "r.jsonl"
    file.write_text("".join(json.dumps(line | {"model": m}) + "\n" for m in "ab"))
    with pytest.raises(ModelError, match="holds answers of: a, b"):
        Replayed(file)
    assert Replayed(file, "a").chooses


@pytest.mark.parametrize("line", ["{", "[]", '{"key": "k"}', "3"])
def test_damaged_record_is_told_with_its_line(line, tmp_path):
    (tmp_path / "r.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match="line 1"):
        Replayed(tmp_path / "r.jsonl")
