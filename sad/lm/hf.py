"""Local models of Hugging Face's form: log-likelihoods of answers, and greedy writing."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sad import models
from sad.errors import MissingExtraError, ModelError
from sad.files import sha256
from sad.lm import Answer, Choose, Keep, Message, Placed, Request, Write, keep_none
from sad.lm.settings import LmSettings

if TYPE_CHECKING:
    from sad.lm.likelihood import Job, Scorer

log = logging.getLogger(__name__)

_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")
_ANSWER = "\nAnswer:"  # ends the prompt of a model without a chat template


class LocalModel:
    """A packaged model, a model folder, or an id of the Hub; safetensors weights only.

    Its id holds the digest of its files (of the Hub: the revision) and its dtype.

    Raises:
        ModelError: there is no such model.
        MissingExtraError: transformers is not installed.
    """

    chooses = True

    def __init__(self, name: str, settings: LmSettings) -> None:
        try:
            import torch
            import transformers  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("hf", error.name or "transformers") from None
        self._folder = _folder(name)
        self._batch_size = settings.batch_size
        self._device = settings.device
        if self._device == "auto":
            self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._dtype = _dtype(self._device) if settings.dtype == "auto" else settings.dtype
        self.id = f"{Path(name).name}@{_revision(self._folder)}/{self._dtype}"

    def answer(self, requests: Sequence[Request], keep: Keep = keep_none) -> Iterator[Placed]:
        """The answers, batch by batch. A request beyond the model's context is a fault.

        Raises:
            ModelError: the model cannot be loaded, or a sampled text is asked for.
        """
        chosen = [(p, r, r.ask) for p, r in enumerate(requests) if isinstance(r.ask, Choose)]
        written = [(p, r, r.ask) for p, r in enumerate(requests) if isinstance(r.ask, Write)]
        for batch in self._choose(chosen):
            keep(batch)
            yield from batch
        for batch in self._write(written):
            keep(batch)
            yield from batch

    def _choose(self, asked: list[tuple[int, Request, Choose]]) -> Iterator[list[Placed]]:
        jobs: list[tuple[int, int, Job]] = []
        for place, request, ask in asked:
            job = self._job(request, ask)
            if fault := self._too_long(job.longest):
                yield [(place, fault)]
            else:
                jobs.append((place, len(ask.options), job))
        if self._batch_size > 1:
            jobs.sort(key=lambda one: (one[2].head, one[2].longest))
        for _, alike in groupby(jobs, key=lambda one: one[2].rows[0][: one[2].head]):
            for batch in _parts(list(alike), self._batch_size if self._scorer.pads else 1):
                yield self._scored(batch)

    def _scored(self, batch: list[tuple[int, int, Job]]) -> list[Placed]:
        scores = self._scorer.score([job for _, _, job in batch])
        return [
            (place, Answer(self.id, logprobs=tuple(_parts(row, n)), tokens_in=job.n_tokens))
            for (place, n, job), row in zip(batch, scores, strict=True)
        ]

    def _job(self, request: Request, ask: Choose) -> Job:
        from sad.lm.likelihood import job

        *before, last = request.messages
        prompts = [
            self._rendered([*before, Message(last.role, last.content + question)])
            for question in ask.questions
        ]
        space = "" if self._is_chat else " "
        answered = [prompt + space + option for prompt in prompts for option in ask.options]
        bare = self._rendered([*before, Message(last.role, "")])
        head, *tokens = self._encoded([bare, *prompts, *answered])
        n = len(prompts)
        return job(tokens[:n], list(_parts(tokens[n:], len(ask.options))), head)

    def _write(self, asked: list[tuple[int, Request, Write]]) -> Iterator[list[Placed]]:
        if any(ask.temperature for _, _, ask in asked):
            raise ModelError(f"{self.id} writes at temperature 0 only")
        todo = []
        for place, request, ask in asked:
            (tokens,) = self._encoded([self._rendered(request.messages)])
            if fault := self._too_long(len(tokens) + ask.max_tokens):
                yield [(place, fault)]
            else:
                todo.append((place, tokens, ask.max_tokens))
        if self._batch_size > 1:
            todo.sort(key=lambda one: (one[2], len(one[1])))
        for limit, alike in groupby(todo, key=lambda one: one[2]):
            for batch in _parts(list(alike), self._batch_size):
                answers = self._written([tokens for _, tokens, _ in batch], limit)
                yield [(one[0], answer) for one, answer in zip(batch, answers, strict=True)]

    def _written(self, prompts: list[list[int]], limit: int) -> list[Answer]:
        """The greedy continuation of each prompt."""
        import torch
        from transformers import GenerationConfig

        model = self._model
        ends = model.generation_config.eos_token_id
        width = max(map(len, prompts))
        ids = [[0] * (width - len(prompt)) + prompt for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        how = GenerationConfig(
            do_sample=False, max_new_tokens=limit, eos_token_id=ends, pad_token_id=0
        )
        with torch.inference_mode():
            out = model.generate(
                input_ids=torch.tensor(ids, device=model.device),
                attention_mask=torch.tensor(mask, device=model.device),
                generation_config=how,
            )
        stop = set(ends if isinstance(ends, list) else [ends])
        found = []
        for prompt, row in zip(prompts, out[:, width:].tolist(), strict=True):
            end = next((i for i, token in enumerate(row) if token in stop), None)
            n = len(row) if end is None else end
            text = self._tokenizer.decode(row[:n], skip_special_tokens=True)
            fault = f"cut off after {n:,} tokens" if end is None else None
            found.append(Answer(self.id, text, (), len(prompt), n, fault, cut_off=end is None))
        return found

    def _rendered(self, messages: Sequence[Message]) -> str:
        """``messages`` in the model's chat form; special tokens in them are broken up."""
        turns = [{"role": m.role, "content": self._defused(m.content)} for m in messages]
        if not self._is_chat:
            return "\n\n".join(turn["content"] for turn in turns) + _ANSWER
        if not self._takes_system and turns[0]["role"] == "system":
            instructions, first, *rest = turns
            whole = f"{instructions['content']}\n\n{first['content']}"
            turns = [{"role": first["role"], "content": whole}, *rest]
        return self._templated(turns)

    def _templated(self, turns: list[dict[str, str]]) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        )

    def _defused(self, text: str) -> str:
        return self._special.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)

    def _encoded(self, texts: list[str]) -> list[list[int]]:
        encoded = self._tokenizer(texts, add_special_tokens=not self._is_chat, verbose=False)
        return [list(tokens) for tokens in encoded["input_ids"]]

    def _too_long(self, n_tokens: int) -> Answer | None:
        limit = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        if limit is None or n_tokens <= limit:
            return None
        return Answer(self.id, fault=f"{n_tokens:,} tokens are more than the model's {limit:,}")

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return _loaded(AutoTokenizer, self._folder)

    @cached_property
    def _is_chat(self) -> bool:
        return bool(self._tokenizer.chat_template)

    @cached_property
    def _takes_system(self) -> bool:
        from jinja2 import TemplateError

        try:
            turns = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
            self._templated(turns)
        except TemplateError:
            return False
        return True

    @cached_property
    def _special(self) -> re.Pattern[str]:
        """Matches the tokens with which a text could leave its message."""
        added = self._tokenizer.added_tokens_decoder.values()
        words = [token.content for token in added if token.special and len(token.content) > 1]
        return re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))) or r"(?!)")

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        log.info("loading %s", self._folder)
        dtype = getattr(torch, self._dtype)
        model = _loaded(AutoModelForCausalLM, self._folder, dtype=dtype, use_safetensors=True)
        return model.to(self._device).eval()

    @cached_property
    def _scorer(self) -> Scorer:
        from sad.lm.likelihood import Scorer

        return Scorer(self._model)


def _parts(values: Any, size: int) -> Iterator[Any]:
    return (values[i : i + size] for i in range(0, len(values), size))


def _loaded(kind: Any, folder: Path, **options: Any) -> Any:
    try:
        return kind.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{folder} cannot be loaded as a language model ({reason})") from None


def _folder(name: str) -> Path:
    """The folder of the model ``name``, fetched if it is not there."""
    if name in models.MODELS:
        return models.fetch(name)
    if Path(name).is_dir():
        return Path(name)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        known = ", ".join(models.MODELS)
        raise ModelError(
            f"hf:{name} is no packaged model ({known}), no folder and no id of the Hub"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(_FILES)))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"hf:{name} cannot be had from the Hub ({reason})") from None


def _revision(folder: Path) -> str:
    """What the weights, the tokenizer and the chat form are: a digest, of the Hub its revision."""
    if folder.parent.name == "snapshots":
        return folder.name[:12]
    files = sorted({file for pattern in _FILES for file in folder.glob(pattern)})
    listed = "".join(f"{file.name} {sha256(file)}\n" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()[:12]


def _dtype(device: str) -> str:
    """``bfloat16`` where ``device`` computes in it, else ``float32``."""
    import torch

    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    # The oldest torch that we take does not tell.
    able: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bfloat16" if device == "cpu" and able.get("avx512_bf16") else "float32"
