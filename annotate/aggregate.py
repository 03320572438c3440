"""From votes to one label set per utterance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotate import votes as vote_table
from annotate.ballots import Array, Ballots, cast
from annotate.methods import METHODS, OF_STANCES, Method
from sad.build import labels
from sad.errors import DataError, SettingsError
from sad.files import sha256
from sad.types import STRATEGY_LABELS

_ORDER = pl.Enum(STRATEGY_LABELS)
_DIGITS = 9  # of scores: what is equal but for rounding ties


def run(
    folder: Path,
    method: str,
    vote_files: Iterable[Path] = (),
    weights: Mapping[str, float] | None = None,
) -> int:
    """Aggregate the votes on the built ``folder`` and join the labels to it; examples written.

    Args:
        folder: a built folder.
        method: one of ``METHODS``.
        vote_files: vote tables; default: all in ``folder/votes``.
        weights: of annotators, for the method ``weighted``.

    Raises:
        SettingsError: there is no such method, it takes no weights, or one is of nobody or below 0.
        DataError: an utterance has no strategy vote.
    """
    if method not in METHODS:
        raise SettingsError(f"no method {method!r}; there are: {', '.join(METHODS)}")
    if weights and method != "weighted":
        raise SettingsError(f"--weight goes with --method weighted, not {method}")
    files = list(vote_files) or vote_table.files(folder)
    known = vote_table.texts(folder)
    votes = vote_table.read(files).join(known, on="utterance_id", how="semi")
    if votes.is_empty():
        raise DataError(folder, "none of the votes is on an utterance of this folder")
    vote_table.check_texts(votes, known)
    if unknown := sorted(set(weights or ()) - set(votes["annotator"])):
        raise SettingsError(f"--weight {unknown[0]}: nobody of that name voted")
    for who, weight in (weights or {}).items():
        if not 0 <= weight < np.inf:
            raise SettingsError(f"--weight {who}={weight}: expected a number, 0 or more")
    table, annotators = labelled(votes, METHODS[method], method, weights or {})
    record = {
        "method": method,
        "votes": [{"name": f.name, "sha256": sha256(f)} for f in files],
        "annotators": annotators,
    }
    return labels.apply(folder, table, record)


def labelled(
    votes: pl.DataFrame, method: Method, name: str, weights: Mapping[str, float]
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The label table (``sad.build.labels.LABELS``) of the utterances that ``votes`` are on.

    A strategy is kept when its score is above one half; where none is, those with the highest. A
    stance needs a score other than one half; a tie leaves the build's. A span is kept when at
    least half of those who named its label marked it. Empty texts stay empty.

    Args:
        votes: ``annotate.votes.VOTES``.
        method: gives the scores.
        name: of the method, for the provenance of each label.
        weights: of annotators.

    Returns:
        The table, and what the method learnt of the annotators, per kind of vote.

    Raises:
        DataError: no vote is on strategies.
        LabelError: somebody voted twice on an utterance.
    """
    ballots, sides = cast(votes, "strategies"), cast(votes, "stance")
    if not ballots.n_items:
        raise DataError("votes", "none is on strategies; every utterance needs one")
    scored = method(ballots, weights)
    rows = pl.DataFrame({"utterance_id": ballots.item_names})
    rows = _sets(rows, kept(ballots, scored.scores))
    rows = rows.with_columns(by=_by(votes, "strategies", rows, name))
    rows = rows.join(_spans(votes, rows), on="utterance_id", how="left")
    told = {"strategies": scored.annotators}
    if sides.n_items:
        decided = OF_STANCES.get(name, method)(sides, weights)
        score = decided.scores[:, 0].round(_DIGITS)
        stances = pl.DataFrame({"utterance_id": sides.item_names, "score": score})
        side = pl.when(pl.col("score") > 0.5).then(1).when(pl.col("score") < 0.5).then(0)
        stances = stances.with_columns(
            stance=side.cast(pl.UInt8), stance_by=_by(votes, "stance", stances, name)
        )
        rows = rows.join(stances.drop_nulls("stance"), on="utterance_id", how="left")
        told["stance"] = decided.annotators
    else:
        rows = rows.with_columns(stance=None, stance_by=pl.lit(None, pl.String))
    source = pl.format("stance:{}; strategies:{}", pl.col("stance_by").fill_null("structure"), "by")
    rows = rows.with_columns(pl.col("spans").fill_null([]), label_source=source)
    table = rows.select(pl.col(column).cast(dtype) for column, dtype in labels.LABELS.items())
    return table, {kind: learnt for kind, learnt in told.items() if learnt}


def kept(ballots: Ballots, scores: Array) -> NDArray[np.bool_]:
    """Which labels each item keeps by its ``scores`` [N, L]: [N, L]; see ``labelled``."""
    scores = scores.round(_DIGITS)
    above = scores > 0.5
    best = scores == scores.max(axis=1, keepdims=True)
    chosen = np.where(above.any(axis=1, keepdims=True), above, best)
    blank = ballots.per_item(ballots.named.any(axis=1)) == 0
    return np.asarray(chosen & ~blank[:, None])


def _sets(rows: pl.DataFrame, chosen: NDArray[np.bool_]) -> pl.DataFrame:
    """``rows`` with ``strategies`` in canonical order and ``strategy_mask``."""
    mask = pl.Series(chosen @ (1 << np.arange(len(STRATEGY_LABELS))), dtype=pl.UInt8)
    names = [
        pl.when(pl.Series(chosen[:, place])).then(pl.lit(label))
        for place, label in enumerate(STRATEGY_LABELS)
    ]
    return rows.with_columns(strategies=pl.concat_list(names).list.drop_nulls(), strategy_mask=mask)


def _spans(votes: pl.DataFrame, sets: pl.DataFrame) -> pl.DataFrame:
    """The spans of kept labels that at least half of those who named the label marked."""
    given = votes.filter(pl.col("kind") == "strategies")
    named = (
        given.select("utterance_id", label="value")
        .explode("label", empty_as_null=False, keep_nulls=False)
        .group_by("utterance_id", "label").len("named")
    )  # fmt: skip
    chosen = (
        sets.select("utterance_id", label="strategies")
        .explode("label", empty_as_null=False, keep_nulls=False)
        .join(named, on=["utterance_id", "label"])
    )
    marked = (
        given.select("utterance_id", "spans")
        .explode("spans", empty_as_null=False, keep_nulls=False)
        .unnest("spans")
        .group_by("utterance_id", "label", "start", "end").len("marked")
        .join(chosen, on=["utterance_id", "label"])
        .filter(pl.col("marked") * 2 >= pl.col("named"))
        .with_columns(pl.col("label").cast(_ORDER))
        .sort("utterance_id", "start", "end", "label")
    )  # fmt: skip
    span = pl.struct(label=pl.col("label").cast(pl.String), start="start", end="end")
    return marked.group_by("utterance_id", maintain_order=True).agg(spans=span)


def _by(votes: pl.DataFrame, kind: str, rows: pl.DataFrame, method: str) -> pl.Series:
    """Who decided each of ``rows``: ``crowd(ann)``, or a method over several."""
    sources = pl.col("source").unique().sort().str.join("+")
    many = pl.format("{}({} x{})", pl.lit(method), sources, pl.len())
    one = pl.format("{}({})", sources, pl.col("annotator").first())
    told = votes.filter(pl.col("kind") == kind, ~pl.col("value").list.contains("unclear"))
    told = told.group_by("utterance_id").agg(by=pl.when(pl.len() > 1).then(many).otherwise(one))
    ids = rows.select("utterance_id")
    return ids.join(told, on="utterance_id", how="left", maintain_order="left")["by"]
