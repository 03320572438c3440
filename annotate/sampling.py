"""What to annotate next, and who shall do it.

Everything is decided by the votes and by hashes of ids with a seed: the order of the rows does not
matter, and the same seed gives the same plan on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import polars_hash as plh

from annotate.aggregate import kept
from annotate.ballots import LABELS, cast
from sad.errors import DataError, SettingsError
from sad.metrics.agreement import entropy
from sad.types import STRATEGY_LABELS

PLAN = {
    "utterance_id": pl.String,
    "annotator": pl.String,  # who shall label it
    "reason": pl.String,  # why it was chosen; not for the annotator's eyes
    "is_gold": pl.Boolean,  # a check whose answer is known; not for the annotator's eyes
    "order": pl.Int64,  # the place in the annotator's list, from 0
}

PEOPLE = ("gold", "crowd")
MACHINES = ("llm", "model", "heuristic")
"""Sources of votes by people and by machines; the simulated are neither."""

_PREDICTED = "label the folder first: sad annotate label DIR"


@dataclass(frozen=True, slots=True)
class _Pool:
    """What to choose from: ``utterance_id``, ``strategy_mask`` and ``draw``, sorted on the draw."""

    rows: pl.DataFrame
    votes: pl.DataFrame  # all


def choose(
    utterances: pl.DataFrame,
    votes: pl.DataFrame,
    n: int,
    *,
    by: str,
    annotators: Sequence[str],
    overlap: float = 0.2,
    gold: float = 0.0,
    checks: Iterable[str] = (),
    again: bool = False,
    seed: int = 13,
) -> pl.DataFrame:
    """Who shall label which utterances, in which order: ``PLAN``, sorted on annotator and order.

    Each annotator's list begins with what matters most; checks lie anywhere in it. Nobody gets an
    utterance that they voted on. There are fewer utterances than ``n`` where ``by`` finds no more.

    Args:
        utterances: ``utterance_id``; if there, ``strategy_mask`` is what is predicted (null: ask
            the votes of machines) and ``blank`` tells what to leave out.
        votes: ``annotate.votes.VOTES``.
        n: how many utterances, checks not counted.
        by: one of ``STRATEGIES``.
        annotators: among whom the utterances are divided, evenly.
        overlap: the share of the utterances that all annotators get. Source: ours.
        gold: the share of checks in each list. Source: ours.
        checks: utterances whose labels are known; each annotator gets others, in chance order.
        again: whether what people labelled already may be chosen too.
        seed: of the hashes. Source: ours.

    Raises:
        SettingsError: a setting is out of its range, or there are too few checks.
        DataError: the votes do not hold what ``by`` looks at, or a check is no utterance.
    """
    _check(n, by, annotators, overlap, gold)
    known = sorted(set(checks))
    ids = utterances["utterance_id"]
    if lost := sorted(set(known) - set(ids.filter(ids.is_in(known)))):
        raise DataError("checks", "is on no utterance given", field=lost[0])
    pool = _pool(utterances, votes, annotators, known, again, seed)
    chosen = STRATEGIES[by](pool).select("utterance_id", "reason").head(n)
    if chosen.is_empty():
        raise DataError("utterances", "none is left to label; ask for labelled ones again")
    plan = _divided(chosen, votes, annotators, overlap, seed)
    if gold:
        plan = _mixed(plan, _checks(known, votes, annotators, seed), gold)
    order = pl.int_range(pl.len()).over("annotator")
    plan = plan.sort("annotator", "place", "utterance_id").with_columns(order=order)
    return plan.select(pl.col(name).cast(dtype) for name, dtype in PLAN.items())


def _check(n: int, by: str, annotators: Sequence[str], overlap: float, gold: float) -> None:
    if by not in STRATEGIES:
        raise SettingsError(f"no way to choose by {by!r}; there are: {', '.join(STRATEGIES)}")
    if n < 1:
        raise SettingsError(f"choose {n} utterances: expected 1 or more")
    if not annotators or len(set(annotators)) < len(annotators):
        raise SettingsError(f"annotators {', '.join(annotators)!r}: expected different names")
    if not 0 <= overlap <= 1:
        raise SettingsError(f"overlap {overlap}: expected a share, 0 to 1")
    if not 0 <= gold < 1:
        raise SettingsError(f"gold {gold}: expected a share, 0 or more and below 1")


def _pool(
    utterances: pl.DataFrame,
    votes: pl.DataFrame,
    annotators: Sequence[str],
    checks: list[str],
    again: bool,
    seed: int,
) -> _Pool:
    """The utterances that somebody may still label, in the order of their draw."""
    columns = utterances.columns
    rows = utterances.filter(~pl.col("blank")) if "blank" in columns else utterances
    mask = pl.col("strategy_mask") if "strategy_mask" in columns else pl.lit(None)
    rows = rows.select("utterance_id", strategy_mask=mask.cast(pl.UInt8))
    own = votes.filter(pl.col("annotator").is_in(annotators))
    own = own.group_by("utterance_id").agg(pl.col("annotator").n_unique())
    closed = [own.filter(pl.col("annotator") == len(annotators)).select("utterance_id")]
    closed.append(pl.DataFrame({"utterance_id": checks}, schema={"utterance_id": pl.String}))
    if not again:
        closed.append(votes.filter(pl.col("source").is_in(PEOPLE)).select("utterance_id"))
    rows = rows.join(pl.concat(closed), on="utterance_id", how="anti")
    return _Pool(_drawn(rows, seed).sort("draw", "utterance_id"), votes)


def _drawn(rows: pl.DataFrame, seed: int, purpose: str = "", *columns: str) -> pl.DataFrame:
    """``rows`` with ``draw``, a hash of the seed, the purpose, the id and other columns."""
    key = pl.concat_str(pl.lit(f"{seed} {purpose}"), "utterance_id", *columns, separator="\n")
    hashed = rows.select(key=key).select(draw=plh.col("key").nchash.xxh3_64())
    return rows.with_columns(hashed["draw"])


def _by_mask(pool: _Pool) -> pl.DataFrame:
    """Every predicted set as often as every other; the rarer one first."""
    rows = _predicted(pool).with_columns(
        level=pl.int_range(pl.len()).over("strategy_mask"), size=pl.len().over("strategy_mask")
    )
    letters = [
        pl.when(pl.col("strategy_mask") & (1 << bit) > 0)
        .then(pl.lit(label[0]))
        .otherwise(pl.lit(""))
        for bit, label in enumerate(STRATEGY_LABELS)
    ]
    reason = pl.format("mask {}, 1 of {}", pl.concat_str(letters), "size")
    return rows.sort("level", "size", "strategy_mask").with_columns(reason=reason)


def _by_rarity(pool: _Pool) -> pl.DataFrame:
    """Each utterance for the predicted label that people named least, so that these catch up."""
    rows = _predicted(pool)
    said = pool.votes.filter(pl.col("source").is_in(PEOPLE), pl.col("kind") == "strategies")
    counted = []
    for bit, label in enumerate(STRATEGY_LABELS):
        named = said.filter(pl.col("value").list.contains(label))["utterance_id"].n_unique()
        predicted = int((rows["strategy_mask"] & (1 << bit) > 0).sum())
        counted.append((named, predicted, bit, label))
    rarest = so_far = told = pl.lit(None)
    for rank, (named, _, bit, name) in reversed(list(enumerate(sorted(counted)))):
        has = pl.when(pl.col("strategy_mask") & (1 << bit) > 0)
        rarest = has.then(rank).otherwise(rarest)
        so_far = has.then(named).otherwise(so_far)
        told = has.then(pl.lit(f"rare {name}")).otherwise(told)
    rows = rows.with_columns(rarest=rarest, so_far=so_far, reason=told)
    # The n-th utterance of a label finds it with n - 1 more than people named so far.
    rows = rows.with_columns(level=pl.col("so_far") + pl.int_range(pl.len()).over("rarest"))
    return rows.sort("level", "rarest")


def _predicted(pool: _Pool) -> pl.DataFrame:
    """The rows with a predicted set: the mask given, else the majority of the votes of machines."""
    rows = pool.rows
    said = pool.votes.filter(pl.col("source").is_in(MACHINES))
    ballots = cast(said, "strategies")
    if ballots.n_items:
        sets = kept(ballots, ballots.shares()) @ (1 << np.arange(len(STRATEGY_LABELS)))
        told = pl.DataFrame({"utterance_id": ballots.item_names, "told": sets.astype(np.uint8)})
        rows = rows.join(told, on="utterance_id", how="left", maintain_order="left")
        rows = rows.with_columns(strategy_mask=pl.coalesce("strategy_mask", "told"))
    return _some(rows.filter(pl.col("strategy_mask") > 0), "none has a predicted set", _PREDICTED)


def _by_disagreement(pool: _Pool) -> pl.DataFrame:
    """The highest entropy of its votes first, summed over the strategies and the stance."""
    votes = pool.votes.join(pool.rows, on="utterance_id", how="semi")
    parts = []
    for kind in LABELS:
        ballots = cast(votes, kind)
        shares = ballots.shares()
        bits = [entropy(np.stack([share, 1 - share], axis=1)) for share in shares.T]
        measured = {"bits": np.sum(bits, axis=0), "votes": ballots.per_item()}
        parts.append(pl.DataFrame({"utterance_id": ballots.item_names, **measured}))
    several = pl.concat(parts).filter(pl.col("votes") > 1)
    both = several.group_by("utterance_id").agg(pl.col("bits").sort().sum().round(9))
    rows = pool.rows.join(both, on="utterance_id", maintain_order="left")
    rows = rows.sort("bits", descending=True, maintain_order=True)
    told = pl.format("disagreement {} bits", pl.col("bits").round(2))
    return _some(rows, "none has two votes", "label with two labellers").with_columns(reason=told)


def _by_uncertainty(pool: _Pool) -> pl.DataFrame:
    """The votes of machines with the least confidence first; up to one half all are equal."""
    sure = pl.col("source").is_in(MACHINES) & pl.col("confidence").is_finite()
    least = pool.votes.filter(sure).group_by("utterance_id").agg(pl.col("confidence").min())
    rows = pool.rows.join(least, on="utterance_id", maintain_order="left")
    # A label below one half was named all the same: its threshold is low, or it was the best left.
    above = (pl.col("confidence") - 0.5).clip(0).round(9)
    rows = rows.sort(above, maintain_order=True)
    told = pl.format("uncertainty: confidence {}", pl.col("confidence").round(3))
    return _some(rows, "none has a vote with a confidence", _PREDICTED).with_columns(reason=told)


def _by_chance(pool: _Pool) -> pl.DataFrame:
    """As drawn."""
    return pool.rows.with_columns(reason=pl.lit("random"))


STRATEGIES: dict[str, Callable[[_Pool], pl.DataFrame]] = {
    "mask": _by_mask,
    "disagreement": _by_disagreement,
    "uncertainty": _by_uncertainty,
    "rare": _by_rarity,
    "random": _by_chance,
}
"""Ways to choose; what they hold equal is in the order of the draw. Source: specification 11.4."""


def _some(rows: pl.DataFrame, lacks: str, hint: str) -> pl.DataFrame:
    if rows.is_empty():
        raise DataError("utterances", f"of those left, {lacks}; {hint}")
    return rows


def _divided(
    chosen: pl.DataFrame,
    votes: pl.DataFrame,
    annotators: Sequence[str],
    overlap: float,
    seed: int,
) -> pl.DataFrame:
    """Who gets which of ``chosen``; ``place`` is 0 to 1, early to late in the annotator's list."""
    rows = _drawn(chosen.with_row_index("rank"), seed, "divide")
    turn = pl.col("draw").rank("ordinal") - 1
    rows = rows.with_columns(turn=turn.cast(pl.Int64))
    n_shared = round(overlap * len(rows))
    n_people = len(annotators)
    people = pl.DataFrame({"annotator": sorted(annotators), "number": range(n_people)})
    free = rows.join(people, how="cross").join(votes, on=["utterance_id", "annotator"], how="anti")
    # The turns go around; whoever voted already passes theirs on to the next.
    passed = (pl.col("number") + n_people - pl.col("turn") % n_people) % n_people
    first = passed == passed.min().over("utterance_id")
    given = free.filter((pl.col("turn") < n_shared) | first).sort("annotator", "rank")
    nth = pl.int_range(pl.len()).over("annotator")
    place = (nth + 0.5) / pl.len().over("annotator")
    return given.select("utterance_id", "annotator", "reason", is_gold=False, place=place)


def _checks(
    known: list[str], votes: pl.DataFrame, annotators: Sequence[str], seed: int
) -> pl.DataFrame:
    """The checks that each annotator may get, in chance order: those that they did not label."""
    ids = pl.DataFrame({"utterance_id": known}, schema={"utterance_id": pl.String})
    rows = ids.join(pl.DataFrame({"annotator": sorted(annotators)}), how="cross")
    rows = rows.join(votes, on=["utterance_id", "annotator"], how="anti")
    rows = _drawn(rows, seed, "check", "annotator").sort("draw", "utterance_id")
    rows = _drawn(rows, seed, "place", "annotator")
    place = (pl.col("draw").cast(pl.Float64) + 0.5) / 2.0**64
    return rows.select(
        "utterance_id", "annotator", reason=pl.lit("gold"), is_gold=True, place=place
    )


def _mixed(plan: pl.DataFrame, checks: pl.DataFrame, gold: float) -> pl.DataFrame:
    """``plan`` with so many ``checks`` that they are the share ``gold`` of each list.

    Raises:
        SettingsError: there are too few.
    """
    share = gold / (1 - gold)
    needed = plan.group_by("annotator").agg(needed=(pl.len() * share).round().cast(pl.Int64))
    there = checks.group_by("annotator").agg(there=pl.len())
    counts = needed.join(there, on="annotator", how="left").with_columns(
        pl.col("there").fill_null(0)
    )
    short = counts.filter(pl.col("there") < pl.col("needed")).sort("annotator")
    if len(short):
        who, n, have = short.row(0)
        raise SettingsError(f"{who} needs {n} checks, there are {have}; give more, or less gold")
    nth = pl.int_range(pl.len()).over("annotator")
    taken = checks.join(needed, on="annotator", maintain_order="left").filter(
        nth < pl.col("needed")
    )
    return pl.concat([plan, taken.drop("needed")])
