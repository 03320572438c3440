"""Answers kept on disk, so that no answer is paid for twice; and what answers cost.

Every answer is in the file before it is handed on. The file is SQLite with a write-ahead log:
several processes may share it, on a local disk.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sad.errors import DataError
from sad.files import told_errors
from sad.lm import Answer, Model, Placed, Request
from sad.lm.settings import LmSettings

FILE = "answers.sqlite"
_LOCK_SECONDS = 30
_MOST_KEYS = 500  # in one query

_TABLE = """
    CREATE TABLE IF NOT EXISTS answers (
        key TEXT PRIMARY KEY, model TEXT NOT NULL, answer TEXT NOT NULL
    ) WITHOUT ROWID
"""


class Cache:
    """Answers by key, in the file ``FILE`` of a folder.

    Raises:
        DataError: the folder cannot be written, or the file is something else.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = threading.Lock()  # answers are put by the thread that receives them
        with told_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with self._told():
            self._database = sqlite3.connect(
                self.path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._become_shared()
            self._database.execute("PRAGMA synchronous=FULL")  # a commit is on the disk
            self._database.execute(_TABLE)

    def _become_shared(self) -> None:
        """Switch to the write-ahead log; SQLite does not wait for others who do the same."""
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                self._database.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                return

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def get(self, keys: Iterable[str]) -> dict[str, Answer]:
        """The answers kept under ``keys``."""
        wanted, found = list(keys), {}
        for start in range(0, len(wanted), _MOST_KEYS):
            some = wanted[start : start + _MOST_KEYS]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, model, answer FROM answers WHERE key IN ({marks})"  # noqa: S608
            with self._lock, self._told():
                for key, model, answer in self._database.execute(query, some):
                    found[key] = replace(read_answer(model, json.loads(answer)), cached=True)
        return found

    def put(self, answers: Sequence[tuple[str, Answer]]) -> None:
        """Keep ``answers``; they are on the disk when this returns."""
        rows = [(key, answer.model, json.dumps(write_answer(answer))) for key, answer in answers]
        with self._lock, self._told():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", rows)
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def rows(self, model: str) -> Iterator[tuple[str, Answer]]:
        """All answers of ``model``, sorted on their keys."""
        query = "SELECT key, answer FROM answers WHERE model = ? ORDER BY key"
        with self._told():
            for key, answer in self._database.execute(query, (model,)):
                yield key, read_answer(model, json.loads(answer))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            advice = f"cannot be used ({error}); free the disk, wait for other processes, or set "
            raise DataError(self.path, advice + "cache to another folder") from error
        except sqlite3.DatabaseError as error:
            raise DataError(self.path, f"holds no answers ({error}); move it away") from error


def write_answer(answer: Answer) -> dict[str, Any]:
    """The fields of ``answer`` that are kept."""
    kept = {"text": answer.text, "logprobs": answer.logprobs}
    return kept | {"tokens_in": answer.tokens_in, "tokens_out": answer.tokens_out}


def read_answer(model: str, fields: dict[str, Any]) -> Answer:
    """The answer of ``model`` whose fields were kept."""
    rows = tuple(tuple(row) for row in fields["logprobs"])
    return Answer(model, fields["text"], rows, fields["tokens_in"], fields["tokens_out"])


@dataclass(slots=True)
class Usage:
    """What was asked of a model, and what it cost.

    Tokens and seconds are of fresh answers; of faults too, which are paid as well.
    """

    answered: int = 0
    cached: int = 0
    faults: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0  # waited for answers
    price_in: float | None = None  # of a million tokens
    price_out: float | None = None

    @property
    def price(self) -> float | None:
        """The price of what is fresh, None where no price per token is set."""
        if self.price_in is None and self.price_out is None:
            return None
        paid = self.tokens_in * (self.price_in or 0) + self.tokens_out * (self.price_out or 0)
        return paid / 1e6

    def report(self) -> dict[str, Any]:
        """The counts, the price and, of fresh answers, the rates as plain values."""
        rates = {
            "requests_per_second": self._per_second(self.answered),
            "tokens_per_second": self._per_second(self.tokens_in + self.tokens_out),
        }
        return asdict(self) | {"price": self.price} | rates

    def _per_second(self, n: int) -> float | None:
        return n / self.seconds if self.seconds else None

    def add(self, answer: Answer) -> None:
        """Count ``answer``."""
        if answer.cached:
            self.cached += 1
            return
        self.faults += bool(answer.fault)
        self.answered += not answer.fault
        self.tokens_in += answer.tokens_in
        self.tokens_out += answer.tokens_out


class Cached:
    """A model whose answers are kept; ``usage`` counts them."""

    def __init__(self, model: Model, cache: Cache | None, settings: LmSettings) -> None:
        self.id, self.chooses = model.id, model.chooses
        self.usage = Usage(price_in=settings.price_in, price_out=settings.price_out)
        self._model, self._cache = model, cache

    def answer(self, requests: Sequence[Request]) -> Iterator[Placed]:
        """The answers, kept ones first, fresh ones as they come; equal requests are asked once.

        Raises:
            ModelError: the model cannot be had; what was answered before is kept.
            DataError: answers cannot be kept.
        """
        places: dict[str, list[int]] = {}
        for place, request in enumerate(requests):
            places.setdefault(request.digest(self.id), []).append(place)
        known = self._cache.get(places) if self._cache else {}
        for key, answer in known.items():
            self.usage.add(answer)
            yield from ((place, answer) for place in places[key])
        fresh = [key for key in places if key not in known]
        if fresh:
            asked = [requests[places[key][0]] for key in fresh]
            for number, answer in self._timed(asked, fresh):
                yield from ((place, answer) for place in places[fresh[number]])

    def _timed(self, requests: list[Request], keys: list[str]) -> Iterator[Placed]:
        """The model's answers, each counted and kept under its key; the waiting is measured."""

        def keep(answers: Sequence[Placed]) -> None:
            for _, answer in answers:  # here, as those that a stop leaves behind are paid too
                self.usage.add(answer)
            good = [(keys[number], answer) for number, answer in answers if not answer.fault]
            if self._cache and good:
                self._cache.put(good)

        with closing(self._model.answer(requests, keep)) as answers:  # type: ignore[type-var]
            while True:
                start = time.perf_counter()
                try:
                    placed = next(answers, None)
                finally:
                    self.usage.seconds += time.perf_counter() - start
                if placed is None:
                    return
                yield placed
