"""Settings of language models, shared by all who ask one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from sad.files import cache_dir
from sad.lm import MAX_TOKENS
from sad.settings import Settings


class LmSettings(Settings):
    """How models are reached and computed, where answers are kept, and what they cost."""

    cache: Path | None = Field(
        None,
        description="Folder of kept answers, on a local disk; null: lm in $SAD_CACHE. Source: ours",
    )
    revision: str = Field(
        "",
        description="Tells a served model apart from others that are served under the same name: "
        "it is then called NAME@REVISION, among kept answers and in votes. Source: ours",
    )
    max_tokens: int = Field(
        MAX_TOKENS,
        ge=1,
        description="Tokens that a written answer may take. One that is cut off is asked for once "
        "more with twice as many. Source: ours",
    )
    in_flight: int = Field(16, ge=1, description="Requests to servers at a time. Source: ours")
    timeout: float = Field(120.0, gt=0, description="Seconds to wait for a server. Source: ours")
    tries: int = Field(
        8, ge=1, description="How often a request is sent before giving up. Source: ours"
    )
    first_wait: float = Field(
        0.5,
        gt=0,
        description="Seconds that a server rests after a failure; doubled by each further one in "
        "a row, up to a minute, unless it says how long (Retry-After, at most ten minutes). "
        "Source: ours",
    )
    key_variable: str = Field(
        "OPENAI_API_KEY",
        description="Environment variable of the servers' key, which is never written. Source: "
        "the openai client",
    )
    batch_size: int = Field(
        1,
        ge=1,
        description="Requests that a local model computes together. Above 1 is faster on a GPU, "
        "and the last digits of scores then depend on the neighbours. Source: ours",
    )
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto",
        description="Of a local model's weights; auto: bfloat16 where the machine computes in it, "
        "else float32. Source: measured, twice as fast as float32 on a CPU that has it",
    )
    device: str = Field(
        "auto", description="Of a local model; auto: cuda if there is one, else cpu. Source: ours"
    )
    price_in: float | None = Field(
        None, ge=0, description="Price of a million tokens read. Source: ours, none is known"
    )
    price_out: float | None = Field(
        None, ge=0, description="Price of a million tokens written. Source: ours, none is known"
    )

    @property
    def cache_folder(self) -> Path:
        """Where answers are kept."""
        return self.cache or cache_dir() / "lm"
