"""Answers recorded before: for tests, and to audit labels without the model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from sad.errors import DataError, ModelError
from sad.files import atomic
from sad.lm import Answer, Keep, Placed, Request, keep_none
from sad.lm.cache import Cache, read_answer, write_answer


def record(cache: Cache, model: str, out: Path) -> int:
    """Write the kept answers of ``model`` to the JSONL file ``out``; lines written."""
    n = 0
    with atomic(out) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for key, answer in cache.rows(model):
            line = {"key": key, "model": model, **write_answer(answer)}
            file.write(json.dumps(line) + "\n")
            n += 1
    return n


class Replayed:
    """The model ``name`` as the file recorded it; the file's only model if no name is given.

    Raises:
        DataError: the file cannot be read or is no record of answers.
        ModelError: the file holds no such model, or several and none is named.
    """

    def __init__(self, file: str | PathLike[str], name: str | None = None) -> None:
        self._path = Path(file)
        recorded: dict[str, dict[str, Answer]] = {}
        for key, answer in _read(self._path):
            recorded.setdefault(answer.model, {})[key] = answer
        names = [name] if name else list(recorded)
        if len(names) != 1 or names[0] not in recorded:
            known = ", ".join(sorted(recorded)) or "none"
            raise ModelError(f"{file} holds answers of: {known}; name one as replay:{file}#MODEL")
        self.id = names[0]
        self._answers = recorded[self.id]
        self.chooses = any(answer.logprobs for answer in self._answers.values())

    def answer(self, requests: Sequence[Request], keep: Keep = keep_none) -> Iterator[Placed]:
        """The recorded answers, in order.

        Raises:
            ModelError: a request was never answered.
        """
        for place, request in enumerate(requests):
            answer = self._answers.get(request.digest(self.id))
            if answer is None:
                raise ModelError(
                    f"{self._path} has no answer to request {place + 1} of {len(requests)}: it was "
                    "recorded with other texts, prompts or settings"
                )
            keep([(place, answer)])
            yield place, answer


def _read(path: Path) -> Iterator[tuple[str, Answer]]:
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(path, f"cannot be read ({error})") from None
    for number, line in enumerate(lines, 1):
        try:
            fields: dict[str, Any] = json.loads(line)
            yield fields["key"], read_answer(fields["model"], fields)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise DataError(path, f"is no recorded answer ({error})", line=number) from None
