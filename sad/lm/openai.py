"""Models behind servers that speak OpenAI's protocol: vLLM, SGLang, llama.cpp, OpenAI itself.

Requests go out ``in_flight`` at a time, to several servers in turn; a server that fails rests. The
event loop has a thread of its own, so that notebooks, which run one already, can ask too.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from sad.errors import MissingExtraError, ModelError
from sad.lm import Answer, Keep, Placed, Request, Write, keep_none
from sad.lm.servers import RefusedError, Server, ServerError, Servers
from sad.lm.settings import LmSettings

log = logging.getLogger(__name__)

_GATHER = 0.02  # seconds: answers that come within are kept together

Arrived = queue.SimpleQueue[list[Placed] | BaseException | None]
"""Answers as they are kept; an error or None is the last."""


class ServedModel:
    """The model ``name`` of one or more servers, the same on all of them.

    Its id is NAME, or NAME@REVISION where the settings give a revision.

    Raises:
        ModelError: no name is given.
        MissingExtraError: the client is not installed.
    """

    chooses = False

    def __init__(self, urls: Sequence[str], name: str, settings: LmSettings) -> None:
        try:
            import openai  # noqa: F401
        except ImportError:
            raise MissingExtraError("labels", "openai") from None
        if not name:
            raise ModelError(
                f"{urls[0]} names no model; write {urls[0].rstrip('/')}#NAME, and several servers "
                """of one model in quotes: --set 'models=["http://A/v1,http://B/v1#NAME"]'"""
            )
        self.id = f"{name}@{settings.revision}" if settings.revision else name
        self._name = name
        self._settings = settings
        self._servers = [Server(url.rstrip("/"), settings) for url in urls]

    def answer(self, requests: Sequence[Request], keep: Keep = keep_none) -> Iterator[Placed]:
        """The answers as they come. Ctrl-C stops at once; what has come by then is kept.

        Raises:
            ModelError: no server can be reached, the key or the model is refused, or a request
                failed as often as it may be tried.
        """
        asked = [(request, request.ask) for request in requests if isinstance(request.ask, Write)]
        if len(asked) < len(requests):
            raise ModelError(f"{self.id} is served: it can write, but not choose by log-likelihood")
        run = _Run(self.id, self._name, self._servers, self._settings, asked, keep)
        thread = threading.Thread(target=run.start, name=f"lm {self.id}", daemon=True)
        thread.start()
        try:
            while (group := run.arrived.get()) is not None:
                if isinstance(group, BaseException):
                    raise group
                yield from group
        finally:
            run.stop()
            thread.join()


@dataclass
class _Run:
    """The requests of one call of ``answer`` on their way."""

    model: str  # its id
    name: str  # what the servers call it
    servers: list[Server]
    settings: LmSettings
    requests: Sequence[tuple[Request, Write]]
    keep: Keep
    arrived: Arrived = field(default_factory=queue.SimpleQueue)
    _loop: asyncio.AbstractEventLoop | None = None
    _task: asyncio.Task[None] | None = None
    _stopped: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Send all requests; runs in a thread of its own."""
        try:
            asyncio.run(self._all())
        except asyncio.CancelledError:
            self.arrived.put(None)
        except BaseException as error:
            self.arrived.put(error)
        else:
            self.arrived.put(None)

    def stop(self) -> None:
        """Cancel what is on its way; safe at any time, from any thread."""
        self._stopped.set()
        loop, task = self._loop, self._task
        if loop and task and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(task.cancel)
            except RuntimeError:  # it ended just now
                log.debug("the requests had ended")

    async def _all(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._stopped.is_set():
            return
        on_the_way: set[asyncio.Task[Placed]] = set()
        servers = Servers(self.servers)
        try:
            await servers.check()
            waiting = iter(enumerate(self.requests))
            while True:
                while len(on_the_way) < self.settings.in_flight and (one := next(waiting, None)):
                    on_the_way.add(asyncio.create_task(self._one(servers, one[0], *one[1])))
                if not on_the_way:
                    break
                await asyncio.wait(on_the_way, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.sleep(_GATHER)
                done = {task for task in on_the_way if task.done()}
                on_the_way -= done
                self._hand_on(done)
        finally:
            for task in on_the_way:
                task.cancel()
            await asyncio.gather(*on_the_way, return_exceptions=True)
            self._hand_on({task for task in on_the_way if not task.cancelled()}, told=False)
            await servers.close()

    def _hand_on(self, done: set[asyncio.Task[Placed]], *, told: bool = True) -> None:
        """Keep and hand on the answers of ``done``; then raise the first error, if ``told``."""
        errors = [error for task in done if (error := task.exception())]
        answers = [task.result() for task in done if not task.exception()]
        if answers:
            self.keep(answers)
            self.arrived.put(answers)
        if errors and told:
            raise errors[0]

    async def _one(self, servers: Servers, place: int, request: Request, ask: Write) -> Placed:
        """The answer to one request, from whichever server gives it."""
        key = request.digest(self.model)
        failure: ServerError | None = None
        for _ in range(self.settings.tries):
            server = await servers.next()
            try:
                answer = await server.ask(self.name, request.messages, ask, key)
                return place, replace(answer, model=self.model)
            except ServerError as error:
                failure = error
            except RefusedError as error:
                return place, Answer(self.model, fault=str(error))
        raise ModelError(
            f"{failure}; tried {self.settings.tries} times. What came is kept: run it again "
            "when the server is well"
        ) from failure
