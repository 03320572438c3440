"""Servers of a model: how one is asked, what its errors mean, and which comes next."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from sad.errors import ModelError
from sad.lm import Answer, Message, Write
from sad.lm.settings import LmSettings

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletion

log = logging.getLogger(__name__)

FORMS = ("json_schema", "json_object", "text")
"""Ways to ask for JSON, best first; a server that refuses one is asked in the next."""

_LONGEST_REST = 60.0  # seconds, unless the server says how long
_LONGEST_TOLD = 600.0  # seconds, whatever the server says
_CHECK_SECONDS = 10.0
_AGAIN = (408, 409, 425, 429)  # and 5xx: another try may succeed


class ServerError(Exception):
    """A server failed; it rests, and another try may succeed."""


class RefusedError(Exception):
    """A server will never answer this one request."""


@dataclass(eq=False)
class Server:
    """One server, and what was learnt of it."""

    url: str
    settings: LmSettings
    checked: bool = False
    _served: tuple[str, ...] = ()
    _form: int = 0
    _unwanted: set[str] = field(default_factory=set)
    _failures: int = 0  # in a row
    _failed_at: float = 0.0
    _free_at: float = 0.0
    _client: openai.AsyncOpenAI | None = None

    def client(self) -> openai.AsyncOpenAI:
        """The client of the running event loop; ``close`` it there."""
        import openai

        if self._client is None:
            self._client = openai.AsyncOpenAI(
                base_url=self.url,
                api_key=self._key() or "none",  # the client wants one, servers of one's own do not
                timeout=self.settings.timeout,
                max_retries=0,  # retries are here, where another server may take over
            )
        return self._client

    async def close(self) -> None:
        """Close the client."""
        if self._client:
            await self._client.close()
            self._client = None

    def rests_for(self) -> float:
        """Seconds until this server may be asked."""
        return max(0.0, self._free_at - time.monotonic())

    async def check(self) -> None:
        """Learn which models are served.

        Raises:
            ModelError: the key is refused.
            ServerError: there is no connection.
        """
        import openai

        if self.checked:
            return
        began = time.monotonic()
        try:
            page = await self.client().models.list(timeout=_CHECK_SECONDS)
            self._served = tuple(model.id for model in page.data)
        except openai.APIStatusError as error:
            self._refuse_key(error)  # other refusals: not all servers list their models
        except openai.APIConnectionError as error:
            raise self._failed(f"cannot be reached ({_cause(error)})", began) from error
        except (ValueError, TypeError, AttributeError):
            log.debug("%s does not list its models", self.url)
        self.checked = True

    async def ask(self, model: str, messages: Sequence[Message], ask: Write, key: str) -> Answer:
        """The answer to ``ask`` about ``messages``, sent under the idempotency key ``key``.

        Raises:
            ServerError: another try, or another server, may succeed.
            RefusedError: this request is refused in every form.
            ModelError: the key or the model is refused.
        """
        import openai

        form, began = self._form, time.monotonic()
        while True:
            try:
                done = await self._send(model, messages, ask, key, FORMS[form])
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                if error.param in _OPTIONAL and error.param not in self._unwanted:
                    self._unwanted.add(error.param)
                elif form + 1 < len(FORMS):
                    form += 1
                else:
                    raise RefusedError(self._said(error)) from error
            except openai.APIStatusError as error:
                raise self._meaning(error, model, began) from error
            except openai.APIConnectionError as error:
                raise self._failed(f"does not answer ({_cause(error)})", began) from error
            except ValueError as error:
                raise self._failed(f"answers no JSON ({_line(error)})", began) from error
            else:
                answer = self._read(done, model, ask, began)
                self._form, self._failures = max(self._form, form), 0
                return answer

    async def _send(
        self, model: str, messages: Sequence[Message], ask: Write, key: str, form: str
    ) -> ChatCompletion:
        create: Any = self.client().chat.completions.create
        done: ChatCompletion = await create(
            model=model,
            messages=[{"role": m.role, "content": m.content} for m in messages],
            extra_headers={"Idempotency-Key": key},
            **_parameters(ask, form, self._unwanted),
        )
        return done

    def _read(self, done: ChatCompletion, model: str, ask: Write, began: float) -> Answer:
        """The answer in ``done``, which the client has not validated; a fault may have its cost."""
        try:
            choice = done.choices[0]
            text, reason = choice.message.content or "", choice.finish_reason
            read, written = 0, 0
            if done.usage:
                read, written = done.usage.prompt_tokens or 0, done.usage.completion_tokens or 0
        except (AttributeError, TypeError, IndexError) as error:
            raise self._failed("answers something else than a chat completion", began) from error
        answer = Answer(model, str(text), tokens_in=read, tokens_out=written)
        if reason == "content_filter":
            fault = f"{self.url} withholds the answer (content_filter)"
            return replace(answer, text="", fault=fault)
        if reason == "length":
            fault = f"{self.url}: cut off after {written or ask.max_tokens:,} tokens"
            return replace(answer, fault=fault, cut_off=True)
        return answer

    def _meaning(self, error: openai.APIStatusError, model: str, began: float) -> Exception:
        """What a refusal by status says of the server, the model or the request."""
        self._refuse_key(error)
        status = error.status_code
        if status == 404:
            known = f"; it serves: {', '.join(self._served)}" if self._served else ""
            return ModelError(f"{self.url} has no model {model!r}{known}")
        if error.code == "insufficient_quota":
            return ModelError(f"{self.url}: the account has no quota left; what came is kept")
        if status == 413:
            return RefusedError(self._said(error))
        if status in _AGAIN or status >= 500:
            wait = _retry_after(error.response.headers)
            return self._failed(f"fails with {status}", began, wait)
        return ModelError(self._said(error))

    def _refuse_key(self, error: openai.APIStatusError) -> None:
        if error.status_code in (401, 403):  # its words may hold parts of the key
            name = self.settings.key_variable
            state = "holds a key that it refuses" if os.environ.get(name) else "is not set"
            raise ModelError(f"{self.url} answers {error.status_code}: {name} {state}") from error

    def _failed(self, what: str, began: float, wait: float | None = None) -> ServerError:
        """Let the server rest; requests that were on their way together are one failure."""
        now = time.monotonic()
        if began >= self._failed_at:
            self._failed_at, self._failures = now, self._failures + 1
            rest = self.settings.first_wait * 2 ** min(self._failures - 1, 30)
            self._free_at = now + min(rest, _LONGEST_REST) * random.uniform(0.5, 1.0)
        if wait is not None:
            self._free_at = max(self._free_at, now + wait)
        log.info("%s %s; it rests for %.1f s", self.url, what, self.rests_for())
        return ServerError(f"{self.url} {what}")

    def _said(self, error: openai.APIStatusError) -> str:
        return f"{self.url} refuses the request: {_line(error, self._key())}"

    def _key(self) -> str:
        return os.environ.get(self.settings.key_variable, "")


class Servers:
    """Servers of one model, taken in turn."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers, self._turn = servers, 0

    async def check(self) -> None:
        """Ask every server for its models.

        Raises:
            ModelError: a key is refused, or no server can be reached.
        """
        found = await asyncio.gather(*(s.check() for s in self._servers), return_exceptions=True)
        errors = [error for error in found if isinstance(error, BaseException)]
        for error in errors:
            if not isinstance(error, ServerError):
                raise error
        if len(errors) == len(self._servers):
            reasons = "; ".join(map(str, errors))
            raise ModelError(f"{reasons}. Start the server, or give its address up to /v1")

    async def next(self) -> Server:
        """The next server that does not rest; waits where all do."""
        while True:
            for _ in self._servers:
                server = self._servers[self._turn % len(self._servers)]
                self._turn += 1
                if not server.rests_for():
                    return server
            rest = min(server.rests_for() for server in self._servers)
            await asyncio.sleep(rest * random.uniform(1.0, 1.25))  # not all at the same moment

    async def close(self) -> None:
        """Close the clients."""
        for server in self._servers:
            await server.close()


_OPTIONAL = ("max_tokens", "seed", "temperature")
"""Parameters that some models refuse by name."""


def _parameters(ask: Write, form: str, unwanted: set[str]) -> dict[str, Any]:
    """The parameters of ``ask`` in the protocol's words."""
    values: dict[str, Any] = {"temperature": ask.temperature, "seed": ask.seed}
    values = {name: value for name, value in values.items() if name not in unwanted}
    limit = "max_completion_tokens" if "max_tokens" in unwanted else "max_tokens"
    values[limit] = ask.max_tokens
    if form == "json_schema":
        schema = {"name": "answer", "strict": True, "schema": json.loads(ask.schema)}
        values["response_format"] = {"type": form, "json_schema": schema}
    elif form == "json_object":
        values["response_format"] = {"type": form}
    return values


def _retry_after(headers: Any) -> float | None:
    """Seconds to wait as a server asks to, a number or a date; None if it says nothing."""
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = _seconds(value)
    if seconds is None:
        return None
    return _LONGEST_TOLD if math.isnan(seconds) else min(max(0.0, seconds), _LONGEST_TOLD)


def _seconds(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def _cause(error: Exception) -> str:
    return _line(error.__cause__ or error)


def _line(error: BaseException, key: str = "") -> str:
    """The words of ``error`` on one short line, without ``key``."""
    words = str(error).replace(key, "[key]") if key else str(error)
    return " ".join(words.split())[:200] or type(error).__name__
