"""The settings of a build; ``PRESETS`` holds the two rule sets, ``paper`` and ``none``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sad.build.clean import STEPS
from sad.build.readers import MAX_LINE_BYTES
from sad.build.rules import RULES
from sad.errors import SettingsError
from sad.settings import Settings, assign, merge

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Language = Annotated[str, Field(pattern="^[a-z]{2,3}$")]


class Window(Settings):
    """When a submission must have been posted: ``since <= created < until``, UTC."""

    since: date = Field(
        date(2016, 3, 1), description="First day. Source: digest of the paper (March 2016)"
    )
    until: date = Field(
        date(2020, 10, 1), description="Day after the last. Source: digest (September 2020)"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Window:
        if self.since >= self.until:
            raise ValueError("since must be before until")
        return self


class Split(Settings):
    """How topic groups are divided."""

    train: Share = Field(0.8, description="Share of topic groups. Source: ours")
    validation: Share = Field(0.1, description="Share of topic groups; rest: test. Source: ours")
    salt: str = Field("sad-v1", description="Hashed with the topic group. Source: ours")
    topic_similarity: Positive | None = Field(
        0.6,
        description="Titles at least this alike (Jaccard index of their content words) share a "
        "topic group; null: equal titles only. Source: ours",
    )
    time_cut: date | None = Field(
        date(2020, 4, 1),
        description="split_time is test from this day on: six months of the window. Source: ours",
    )

    @model_validator(mode="after")
    def _at_most_one(self) -> Split:
        if self.train + self.validation > 1 + 1e-9:
            raise ValueError("train + validation must not exceed 1")
        return self


class BuildSettings(Settings):
    """What a build keeps, changes and drops. The defaults are the rule set ``paper``."""

    rules: Literal["paper", "none"] = Field(
        "paper", description="The preset these settings started from. Source: ours"
    )
    subreddit: str | None = Field(
        "changemyview",
        description="Lines of other subreddits are skipped, any case; null keeps all. "
        "Source: digest of the paper",
    )
    max_line_bytes: Count = Field(
        MAX_LINE_BYTES, description="Longer lines of a dump are left out. Source: ours"
    )
    clean: list[str] = Field(
        list(STEPS),
        description="Cleaning steps, in order. Source: links and repeated stop-words: digest of "
        "the paper; the others: ours",
    )
    drop: list[str] = Field(
        list(RULES),
        description="Rules that drop an utterance; the first that fires is the reason. "
        "Source: short: digest of the paper; the others: ours",
    )
    on_fail: Literal["prune", "drop_path"] = Field(
        "prune",
        description="prune: a dropped utterance takes its subtree with it, the path above it "
        "stays; drop_path: every path through it goes. Source: ours",
    )
    include_post: bool = Field(
        True,
        description="The post is turn 0; false: each top-level comment starts a dialogue under the "
        "title, whatever the post's text. Source: ours",
    )
    min_words: int = Field(
        10, ge=0, description="Fewest words (split at whitespace). Source: digest of the paper"
    )
    max_stopword_share: Share = Field(0.9, description="Largest share of stop-words. Source: ours")
    min_distinct_share: Share = Field(
        0.2, description="Fewest distinct words / words. Source: ours"
    )
    min_alpha_share: Share = Field(
        0.6, description="Fewest letters / non-space characters. Source: ours"
    )
    language: Language | None = Field(
        "en", description="ISO 639-1 code of the language kept; null: any. Source: ours"
    )
    foreign_probability: Share = Field(
        0.9,
        description="A text falls when another language is at least this probable. Source: ours",
    )
    window: Window | None = Field(
        Window(), description="Window of submissions; null: any time. Source: digest of the paper"
    )
    min_turns: int = Field(
        2, ge=1, description="Fewest turns of a dialogue, a post counted. Source: ours"
    )
    max_turns: Count | None = Field(
        None, description="Utterances beyond that many turns fall; null: none. Source: ours"
    )
    max_paths: Count | None = Field(
        None, description="Most paths of one tree, shortest first; null: all. Source: ours"
    )
    max_path_turns: Count | None = Field(
        1_000_000,
        description="Most turns of all paths of one tree together, shortest first: bounds the "
        "memory that a hostile tree can take; null: all. Source: ours",
    )
    dedup: bool = Field(
        True,
        description="Drop dialogues that repeat the texts of another, or end in the target of "
        "another tree. Source: ours",
    )
    near_duplicates: Positive | None = Field(
        0.8,
        description="With dedup, also drop targets at least this alike across trees (Jaccard "
        "index of three-word shingles); null: equal ones only. Source: ours",
    )
    split: Split = Field(Split(), description="Division into splits. Source: ours")
    shard_rows: Count = Field(
        64_000,
        description="Posts and comments per shard, which is what a worker holds in memory and a "
        "file of the built folder is made of; threads stay whole. Source: ours",
    )

    @property
    def tidy(self) -> bool:
        """Whether cleaned texts have single spaces and no others, which is counted faster."""
        return self.clean[-1:] == ["spaces"]

    @model_validator(mode="after")
    def _known_names(self) -> BuildSettings:
        for field, chosen, known in (
            ("clean", self.clean, STEPS),
            ("drop", self.drop, RULES),
        ):
            unknown = sorted(set(chosen) - set(known))
            if unknown:
                raise ValueError(f"{field}: unknown {unknown}; there are {list(known)}")
        return self


PRESETS: dict[str, BuildSettings] = {
    "paper": BuildSettings(),
    "none": BuildSettings(
        rules="none",
        clean=[],
        drop=[],
        language=None,
        window=None,
        min_turns=1,
        dedup=False,
        min_words=0,
    ),
}
"""``paper`` follows the paper where it speaks; ``none`` keeps every node and path, but for the cap
``max_path_turns`` on monstrous trees."""


def resolve(
    rules: str, changes: Mapping[str, Any], assignments: Iterable[str] = ()
) -> BuildSettings:
    """The rule set ``rules`` with ``changes`` (nested values) and ``assignments`` (``a.b=3``).

    Raises:
        SettingsError: something does not validate, or another rule set is named inside.
    """
    values = assign(merge(preset(rules).dump(), changes), assignments)
    settings = BuildSettings.parse(values)
    if settings.rules != rules:
        raise SettingsError(f"rules: choose the rule set with --rules {settings.rules}")
    return settings


def preset(name: str) -> BuildSettings:
    """The settings of the rule set ``name``.

    Raises:
        SettingsError: there is no such rule set.
    """
    if name not in PRESETS:
        raise SettingsError(f"--rules {name}: there are {', '.join(PRESETS)}")
    return PRESETS[name]
