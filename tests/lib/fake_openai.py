"""A small server that speaks OpenAI's protocol, counts what it is asked and fails on request."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "fake-model"
KEY = "sk-right"

Reply = Callable[[dict[str, Any]], str]
"""From the body of a request to the text of the answer."""


@dataclass
class Fault:
    """One bad answer: a status with a body, garbage instead of JSON, or a wait before all is well."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def error(status: int, message: str = "bad", **fields: Any) -> Fault:
    """An error in the protocol's form."""
    headers = fields.pop("headers", {})
    return Fault(status, {"error": {"message": message, "type": "error", **fields}}, headers)


@dataclass
class Fake:
    """The server's behaviour and what it has seen."""

    reply: Reply
    fault: Callable[[dict[str, Any], int], Fault | None] = lambda *_: None  # (body, times asked)
    seconds: float = 0.0
    needs_key: bool = False
    forms: tuple[str, ...] = ("json_schema", "json_object", "text")
    models: tuple[str, ...] = (MODEL,)
    needs: Callable[[dict[str, Any]], int] = lambda _: 0  # tokens; beyond the limit it is cut off
    asked: Counter[str] = field(default_factory=Counter)  # last message -> times asked
    answered: Counter[str] = field(default_factory=Counter)
    keys: dict[str, set[str]] = field(default_factory=dict)  # last message -> idempotency keys
    times: list[float] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, body: dict[str, Any], headers: Any) -> Fault:
        """What is sent back."""
        text = body["messages"][-1]["content"]
        with self.lock:
            self.asked[text] += 1
            self.times.append(time.monotonic())
            self.keys.setdefault(text, set()).add(headers.get("Idempotency-Key", ""))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            fault = self.fault(body, self.asked[text])
        time.sleep(self.seconds + (fault.seconds if fault else 0.0))
        with self.lock:
            self.at_once -= 1
        return self._answer(body, headers, text, fault)

    def _answer(self, body: dict[str, Any], headers: Any, text: str, fault: Fault | None) -> Fault:
        if self.needs_key and headers.get("Authorization") != f"Bearer {KEY}":
            return error(401, f"Incorrect API key: {headers.get('Authorization')}")
        if body["model"] not in self.models:
            return error(404, "no such model")
        if fault and (fault.status != 200 or fault.body is not None):
            return fault
        if body.get("response_format", {"type": "text"})["type"] not in self.forms:
            return error(400, "response_format is not supported")
        with self.lock:
            self.answered[text] += 1
        reply, written, reason = self.reply(body), 10, "stop"
        limit = body.get("max_tokens") or body.get("max_completion_tokens") or sys.maxsize
        if self.needs(body) > limit:
            reply, written, reason = reply[: len(reply) // 2], limit, "length"
        message = {"role": "assistant", "content": reply}
        choice = {"index": 0, "message": message, "finish_reason": reason}
        usage = {"prompt_tokens": 100, "completion_tokens": written, "total_tokens": 100 + written}
        return Fault(200, {
            "id": "x", "object": "chat.completion", "created": 0, "model": body["model"],
            "choices": [choice], "usage": usage,
        })  # fmt: skip


def _handler(fake: Fake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if fake.needs_key and self.headers.get("Authorization") != f"Bearer {KEY}":
                self._send(error(401, "no"))
                return
            data = [
                {"id": m, "object": "model", "created": 0, "owned_by": "x"} for m in fake.models
            ]
            self._send(Fault(200, {"object": "list", "data": data}))

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._send(fake.ask(json.loads(self.rfile.read(length)), self.headers))

        def _send(self, answer: Fault) -> None:
            body = (
                answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            )
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that went away
            super().handle_error(*_)


@contextlib.contextmanager
def serve(reply: Reply, **behaviour: Any) -> Iterator[Fake]:
    """A running server; ``url`` ends in ``/v1``."""
    fake = Fake(reply, **behaviour)
    server = _Server(("127.0.0.1", 0), _handler(fake))
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
