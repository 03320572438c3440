"""Language models: the only door to them.

A ``Request`` shows messages and asks one of two things: ``Choose`` wants the log-likelihoods of
given answers, ``Write`` a text under a JSON schema. A ``Model`` streams ``Answer``s as they come.

    open_model(spec)
    ├── "hf:NAME"             sad.lm.hf       a packaged model, a folder, an id of the Hub
    ├── "http://HOST/v1#NAME" sad.lm.openai   servers that speak OpenAI's protocol
    ├── "replay:FILE"         sad.lm.replay   answers that were recorded before
    └── all of them behind    sad.lm.cache    answers kept on disk, and what they cost
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from sad.errors import ModelError

if TYPE_CHECKING:
    from sad.lm.cache import Cached
    from sad.lm.settings import LmSettings

MAX_TOKENS = 1024
"""Tokens that an answer may take, unless told otherwise."""

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """A turn of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Choose:
    """Asks for the log-likelihood of every option as the answer to every question.

    Each of the Q ``questions`` in its turn ends the last message; the O ``options`` are the same.
    All that one request asks is computed together, so that it depends on no other request.
    """

    options: tuple[str, ...]
    questions: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True)
class Write:
    """Asks for a text under ``schema``, a JSON schema written as JSON."""

    schema: str
    max_tokens: int = MAX_TOKENS
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is shown and asked."""

    messages: tuple[Message, ...]
    ask: Choose | Write

    def digest(self, model: str) -> str:
        """SHA-256 (hex) of this request to ``model``: equal where the answers must be."""
        text = json.dumps([model, type(self.ask).__name__, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    ``logprobs`` [Q][O] (nats) answer a ``Choose``, ``text`` a ``Write``. A ``fault`` says why this
    one request has no answer (too long, refused for its content); others may have theirs. One that
    was ``cut_off`` at its ``max_tokens`` is a fault whose ``text`` is what there is of it.
    """

    model: str
    text: str = ""
    logprobs: tuple[tuple[float, ...], ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    fault: str | None = None
    cut_off: bool = False
    cached: bool = False


Placed = tuple[int, Answer]
"""The place of a request among those asked, and its answer."""

Keep = Callable[[Sequence[Placed]], None]
"""Puts answers where a kill cannot reach them."""


def keep_none(_: Sequence[Placed]) -> None:
    """Keeps nothing."""


class Model(Protocol):
    """Answers requests."""

    id: str  # two models of one id would give the same answers
    chooses: bool  # whether it can answer ``Choose``

    def answer(self, requests: Sequence[Request], keep: Keep = keep_none) -> Iterator[Placed]:
        """The answers as they come, in any order; each was given to ``keep`` before.

        Raises:
            ModelError: the model cannot be had, or cannot do what is asked.
        """


def open_model(spec: str, settings: LmSettings | None = None) -> Cached:
    """The model named by ``spec`` (forms above), its answers kept on disk.

    Several servers of one model are written ``http://A/v1,http://B/v1#NAME``. Weights are loaded
    at the first request that no kept answer serves.

    Raises:
        ModelError: ``spec`` names no model.
        MissingExtraError: what the model needs is not installed.
    """
    from sad.lm.cache import Cache, Cached
    from sad.lm.settings import LmSettings

    settings = settings or LmSettings()
    if spec.startswith("replay:"):
        return Cached(_recorded(spec.removeprefix("replay:")), None, settings)
    return Cached(_fresh(spec, settings), Cache(settings.cache_folder), settings)


def _fresh(spec: str, settings: LmSettings) -> Model:
    """The model of ``spec``, nothing kept."""
    if spec.startswith("hf:"):
        from sad.lm.hf import LocalModel

        return LocalModel(spec.removeprefix("hf:"), settings)
    if spec.startswith(("http://", "https://")):
        from sad.lm.openai import ServedModel

        urls, _, name = spec.partition("#")
        return ServedModel(tuple(urls.split(",")), name, settings)
    forms = "hf:NAME, http://HOST/v1#NAME, replay:FILE"
    raise ModelError(f"no model {spec!r}; write one of: {forms}")


def _recorded(spec: str) -> Model:
    """The model whose answers the file FILE or FILE#MODEL holds."""
    from sad.lm.replay import Replayed

    file, _, name = spec.partition("#")
    return Replayed(file, name or None)
