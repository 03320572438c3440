"""Log-likelihoods of answers under a local model; what prompts share is computed once.

A prompt has a *head*, the instructions that all requests share, whose keys and values are kept
from one request to the next; a *body*, shared by all answers to one request; and one short row
per answer. B is the number of requests, R of rows, T of tokens. Where B is 1 nothing is padded but
the rows, so that an answer does not depend on other requests.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

Tokens = Sequence[int]

_MOST_HEADS = 4


@dataclass(frozen=True, slots=True)
class Target:
    """An answer to be scored: the tokens from ``start`` on, read from row ``row``."""

    row: int
    start: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """A request in tokens. ``rows`` share their first ``shared`` tokens and ``head`` of those."""

    rows: tuple[tuple[int, ...], ...]
    targets: tuple[Target, ...]
    shared: int
    head: int

    @property
    def n_tokens(self) -> int:
        """The tokens that a model has to read."""
        return self.shared + sum(len(row) - self.shared for row in self.rows)

    @property
    def longest(self) -> int:
        """The tokens of the longest row and the last of its answer."""
        return max(map(len, self.rows)) + 1


def job(prompts: Sequence[Tokens], answered: Sequence[Sequence[Tokens]], head: Tokens) -> Job:
    """The request whose answers are scored.

    An answer's tokens are those of prompt and answer together beyond what all answers share with
    the prompt: a tokenizer may join characters across the border.

    Args:
        prompts: the tokens of each prompt: [Q].
        answered: the tokens of each prompt followed by each answer: [Q][O].
        head: tokens with which the prompts of other requests begin too.
    """
    rows: dict[tuple[int, ...], int] = {}
    targets = []
    for prompt, options in zip(prompts, answered, strict=True):
        start = max(1, _common([prompt, *options]))
        for tokens in options:
            row = rows.setdefault(tuple(tokens[:-1]), len(rows))
            targets.append(Target(row, start, tuple(tokens[start:])))
    # The token before an answer predicts its first, so it is computed in the row.
    shared = min(_common(list(rows)), min(target.start for target in targets) - 1)
    return Job(tuple(rows), tuple(targets), shared, min(_common([head, next(iter(rows))]), shared))


def _common(sequences: Sequence[Tokens]) -> int:
    """How many first tokens all ``sequences`` share."""
    columns = zip(*sequences, strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


class Scorer:
    """Scores answers with ``model``, a causal language model of transformers.

    Where it ``pads``, jobs of different lengths may be scored together.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._heads: dict[tuple[int, ...], DynamicCache] = {}
        # Windows and states count what pads a body as if it were text.
        layers = DynamicCache(config=model.config).layers
        self.pads = all(type(layer) is DynamicLayer for layer in layers)
        self._sharp = _sharpened(model.get_output_embeddings())

    def score(self, jobs: Sequence[Job]) -> list[tuple[float, ...]]:
        """The log-likelihood (nats) of each target of each job, in order.

        All jobs have the same head.
        """
        with torch.inference_mode():
            cache = self._head(jobs[0].rows[0][: jobs[0].head])
            cache.batch_select_indices(self._tensor([0] * len(jobs)))
            mask = self._read_bodies(cache, jobs)
            places = [place for place, job in enumerate(jobs) for _ in job.rows]
            cache.batch_select_indices(self._tensor(places))
            return self._read_rows(cache, mask[places], jobs)

    def _head(self, tokens: tuple[int, ...]) -> DynamicCache:
        """A copy of the keys and values of ``tokens``, computed alone."""
        if tokens not in self._heads:
            cache = DynamicCache(config=self._model.config)
            if tokens:
                ids = self._tensor([tokens])
                self._model(input_ids=ids, past_key_values=cache, logits_to_keep=1)
            while len(self._heads) >= _MOST_HEADS:
                del self._heads[next(iter(self._heads))]
            self._heads[tokens] = cache
        return copy.deepcopy(self._heads[tokens])

    def _read_bodies(self, cache: DynamicCache, jobs: Sequence[Job]) -> Tensor:
        """Read what the rows of each job share beyond the head; the mask of all so far: [B, T]."""
        head = jobs[0].head
        bodies = [job.rows[0][head : job.shared] for job in jobs]
        width = max(map(len, bodies))
        gaps = [width - len(body) for body in bodies]
        seen = [[1] * head + [0] * gap + [1] * (width - gap) for gap in gaps]
        mask = self._tensor(seen)
        if width:
            ids = [[0] * gap + list(body) for gap, body in zip(gaps, bodies, strict=True)]
            places = [[head + max(0, t - gap) for t in range(width)] for gap in gaps]
            self._model(
                input_ids=self._tensor(ids),
                attention_mask=mask,
                position_ids=self._tensor(places),
                past_key_values=cache,
                logits_to_keep=1,
            )
        return mask

    def _read_rows(
        self, cache: DynamicCache, mask: Tensor, jobs: Sequence[Job]
    ) -> list[tuple[float, ...]]:
        """Read the rows of all jobs, [R, T], and score their targets."""
        rows = [row[job.shared :] for job in jobs for row in job.rows]
        width = max(map(len, rows))
        seen = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
        begin = [job.shared for job in jobs for _ in job.rows]
        wanted = sorted(
            {t.start - 1 - job.shared + i
             for job in jobs for t in job.targets for i in range(len(t.tokens))}
        )  # fmt: skip
        with self._sharper():
            logits = self._model(
                input_ids=self._tensor([[*row, *[0] * (width - len(row))] for row in rows]),
                attention_mask=torch.cat([mask, self._tensor(seen)], dim=1),
                position_ids=self._tensor([[start + t for t in range(width)] for start in begin]),
                past_key_values=cache,
                logits_to_keep=self._tensor(wanted),
            ).logits
        logprobs = logits.float().log_softmax(-1)
        column = {place: i for i, place in enumerate(wanted)}
        found, first = [], 0
        for job in jobs:
            found.append(tuple(_sum(logprobs[first + t.row], t, job, column) for t in job.targets))
            first += len(job.rows)
        return found

    @contextmanager
    def _sharper(self) -> Iterator[None]:
        """The model with logits in float32; afterwards it writes as if nothing had been scored."""
        own = self._model.get_output_embeddings()
        self._model.set_output_embeddings(self._sharp)
        try:
            yield
        finally:
            self._model.set_output_embeddings(own)

    def _tensor(self, values: Any) -> Tensor:
        return torch.tensor(values, device=self._model.device)


def _sum(logprobs: Tensor, target: Target, job: Job, column: dict[int, int]) -> float:
    """The log-likelihood of ``target`` in the ``logprobs`` [T, V] of its row."""
    begin = target.start - 1 - job.shared
    picked = [logprobs[column[begin + i], token].item() for i, token in enumerate(target.tokens)]
    return float(sum(picked))


def _sharpened(head: Any) -> Any:
    """``head`` in float32, sharing weights of that type: bfloat16 has logits in steps of 1/8."""
    exact = {
        id(weight): torch.nn.Parameter(weight.detach().float(), requires_grad=False)
        for weight in head.parameters()
    }
    sharp = copy.deepcopy(head, exact)  # with these in the place of its weights
    sharp.register_forward_pre_hook(lambda _, arguments: (arguments[0].float(),))
    return sharp
