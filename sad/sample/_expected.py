"""What a build must count, from what was planted: an implementation of its own.

Nothing of the build but its settings is used here. Blocks come in the order of time, so that
whatever a later text repeats has been seen. N is the number of nodes of a block, T of its trees.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sad.build.settings import BuildSettings
from sad.build.settings import Split as SplitSettings
from sad.sample._plants import RULES, STEPS
from sad.sample._shape import sums

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

SPLITS = ("train", "validation", "test")
_MOST_OF_A_DEPTH = 300  # comments of a side that the build matches per depth of a thread


@dataclass(frozen=True, slots=True)
class Planted:
    """What is known of the nodes of a block; those of a tree together, parents first."""

    tree: Index
    n_trees: int
    parent: Index  # row, or -1
    depth: Index
    rule: NDArray[np.int8]  # of ``RULES``: why the node falls by itself
    changes: Index  # bits of ``STEPS``
    place: Index  # order of the ids within a block


@dataclass(frozen=True, slots=True)
class Authors:
    """Who wrote the nodes of a block, and which of them award a delta."""

    author: Index  # -1: unknown
    by_op: NDArray[np.int8]  # 1, 0, or -1: nobody knows
    confirmed: Mask  # the node is an award that DeltaBot confirms


@dataclass(frozen=True, slots=True)
class Paths:
    """Which nodes are kept, and at which of them a path ends that is looked at."""

    kept: Mask
    ends: Mask


class Tally:
    """The counts of one rule set, block by block."""

    def __init__(self, settings: BuildSettings) -> None:
        self.settings = settings
        self.judges = bool(settings.drop)
        self._counts: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._changed: Counter[str] = Counter(dict.fromkeys(settings.clean, 0))
        self._repeats = Counter[str]()
        self._paths: list[NDArray[np.int32]] = []
        self._dialogues: list[NDArray[np.int32]] = []

    def walk(self, block: Planted) -> Paths:
        """The paths of ``block`` before duplicates are looked for."""
        own = block.rule > 0 if self.judges else np.zeros(len(block.rule), bool)
        lost = sums(block.parent, own.astype(np.int64)) > 0
        kept = ~lost
        ends = kept.copy()
        ends[block.parent[kept & (block.parent >= 0)]] = False
        enough = ends & (block.depth + 1 >= self.settings.min_turns)
        capped = enough & ~self._under_cap(block, enough)
        self._counts.update(
            nodes=len(own), kept=int(kept.sum()), paths=int(ends.sum()),
            min_turns=int((ends & ~enough).sum()), path_cap=int(capped.sum()),
        )  # fmt: skip
        reasons = np.bincount(block.rule[own], minlength=len(RULES))
        self._dropped.update({name: int(n) for name, n in zip(RULES, reasons, strict=True)})
        self._dropped.update(pruned=int((lost & ~own).sum()))
        for name in self.settings.clean:
            bit = 1 << STEPS.index(name)
            self._changed[name] += int(np.count_nonzero(block.changes & bit))
        return Paths(kept, enough & ~capped)

    def _under_cap(self, block: Planted, ends: Mask) -> Mask:
        """Paths under ``max_path_turns``: shortest first, then by id; the first one always."""
        most = self.settings.max_path_turns
        under = ends.copy()
        if most is None:
            return under
        turns = np.where(ends, block.depth + 1, 0)
        monstrous = np.flatnonzero(np.bincount(block.tree, turns, block.n_trees) > most)
        for tree in monstrous:
            rows = np.flatnonzero(ends & (block.tree == tree))
            rows = rows[np.lexsort((block.place[rows], turns[rows]))]
            fits = np.cumsum(turns[rows]) <= most
            fits[0] = True
            under[rows] = fits
        return under

    def finish(
        self, block: Planted, paths: Paths, authors: Authors, repeats: dict[str, Index]
    ) -> None:
        """Count what is left of ``paths`` without ``repeats`` (rows of their ends, by rule)."""
        chosen = paths.ends.copy()
        if self.settings.dedup:
            for name, rows in repeats.items():
                chosen[rows] = False
                self._repeats[name] += len(rows)
        used = chosen.copy()
        front = np.flatnonzero(chosen)
        while front.size:
            front = block.parent[front]
            front = np.unique(front[front >= 0])
            front = front[~used[front]]
            used[front] = True
        self._counts.update(used=int(used.sum()), pairs=_pairs(block, authors, used))
        for mask, counts in ((paths.ends, self._paths), (chosen, self._dialogues)):
            counts.append(np.bincount(block.tree[mask], minlength=block.n_trees).astype(np.int32))

    def result(self, topic: Index, place: NDArray[np.int8], posted: Index) -> dict[str, Any]:
        """The stages after ``threads``.

        Args:
            topic: of each thread, in the order of time.
            place: the split that the title of each thread would give its group.
            posted: seconds.
        """
        counts, found = self._counts, np.concatenate([*self._paths, np.zeros(0, np.int32)])
        each = np.concatenate([*self._dialogues, np.zeros(0, np.int32)]).astype(np.int64)
        n_dialogues = int(each.sum())
        drops = ("duplicate_dialogue", "duplicate_target", "near_duplicate_target")
        per_tree = np.sort(found[found > 0])[::-1].astype(np.int64)
        dropped = {name: n for name, n in sorted(self._dropped.items()) if n}
        stages = {
            "nodes": _stage(
                counts["nodes"], counts["kept"], dropped, changed=dict(self._changed),
                threads_without_time=0,
            ),
            "paths": _stage(
                counts["paths"], n_dialogues,
                {"broken_path": 0, "min_turns": counts["min_turns"], "path_cap": counts["path_cap"]}
                | {name: self._repeats[name] for name in drops},
                paths=counts["paths"], dialogues=n_dialogues,
                most_paths_of_a_tree=int(per_tree.max(initial=0)),
                paths_of_the_top_percent_of_trees=int(per_tree[: -(-len(per_tree) // 100)].sum()),
            ),
            "utterances": _stage(
                counts["kept"], counts["used"],
                {"in_no_dialogue": counts["kept"] - counts["used"]}, matched_pairs=counts["pairs"],
            ),
        }  # fmt: skip
        splits = _splits(each, topic, place, posted, self.settings.split)
        return stages | {"splits": _stage(n_dialogues, n_dialogues, {}, **splits)}


def first_stages(counts: Counter[str], n_threads: int, n_nodes: int) -> dict[str, Any]:
    """The stages ``read`` and ``threads``, which no rule set changes.

    Args:
        counts: of comment lines; with ``posts_`` before the name, of submissions.
        n_threads: submissions in the trees.
        n_nodes: all nodes in the trees.
    """

    def both(name: str) -> int:
        return counts[name] + counts[f"posts_{name}"]

    names = ("blank", "bad_json", "too_long", "no_id", "other_subreddit")
    left_out = {name: both(name) for name in names}
    kept = both("seen") - sum(left_out.values())
    n_posts = n_threads + counts["posts_duplicates"]
    lost = {name: counts[name] for name in ("missing_submission", "cycles", "orphans")}
    drops = {"duplicates": both("duplicates")} | lost
    return {
        "read": _stage(
            both("seen"), kept, left_out, undecodable=both("undecodable"), nul=both("nul"),
            damaged_files=0, submissions=n_posts, comments=kept - n_posts,
        ),
        "threads": _stage(
            kept, n_nodes, drops, submissions=n_threads,
            comments=kept - n_posts - counts["duplicates"], **drops,
        ),
    }  # fmt: skip


def _pairs(block: Planted, authors: Authors, used: Mask) -> int:
    """How many matched pairs there are.

    Winners keep their names and losers earned nothing in their thread, so that within a depth any
    winner matches any loser: the smaller side counts.
    """
    given = np.flatnonzero(authors.confirmed)
    delta = np.zeros(len(used), bool)
    won = delta.copy()
    delta[block.parent[given]] = True
    won[block.parent[given[authors.by_op[given] == 1]]] = True
    replies = used & (block.depth > 0) & (authors.by_op != 1)
    won &= replies
    if not won.any():
        return 0
    has_won = np.bincount(block.tree[won], minlength=block.n_trees) > 0
    near = np.flatnonzero(replies & has_won[block.tree])
    speaker = block.tree[near] * (1 << 20) + authors.author[near] + 1
    winners = np.unique(speaker[delta[near] & (authors.author[near] >= 0)])
    lost = near[~delta[near] & ~np.isin(speaker, winners)]
    level = int(block.depth.max()) + 1
    places = block.tree * level + block.depth
    keys, sides = np.unique(places[np.flatnonzero(won)], return_counts=True)
    others, n_lost = np.unique(places[lost], return_counts=True)
    _, mine, theirs = np.intersect1d(keys, others, assume_unique=True, return_indices=True)
    both = np.minimum(sides[mine], n_lost[theirs])
    return int(np.minimum(both, _MOST_OF_A_DEPTH).sum())


def split_of(title: str, settings: SplitSettings) -> int:
    """The place in ``SPLITS`` of the topic group that ``title`` (without case and marks) leads."""
    group = hashlib.sha256(title.encode()).hexdigest()[:12]
    digest = hashlib.sha256(f"{settings.salt}:{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    return int(place >= settings.train) + int(place >= settings.train + settings.validation)


def _splits(
    dialogues: Index, topic: Index, place: NDArray[np.int8], posted: Index, settings: SplitSettings
) -> dict[str, int]:
    """Sizes of the splits, the topic groups, and the split by time."""
    has = np.flatnonzero(dialogues)
    each = dialogues[has]
    _, first, group = np.unique(topic[has], return_index=True, return_inverse=True)
    sizes = np.bincount(place[has][first][group], each, len(SPLITS))
    late = np.zeros(len(has), bool)
    if settings.time_cut is not None:
        cut = datetime(*settings.time_cut.timetuple()[:3], tzinfo=UTC).timestamp()
        late = posted[has] >= int(cut)
    crosses = np.bincount(group, late, len(first))[group] > 0
    return {
        **{name: int(n) for name, n in zip(SPLITS, sizes, strict=True)},
        "topic_groups": len(first),
        "largest_topic_group": int(np.bincount(group).max(initial=0)),
        "near_titles_apart": 0,  # titles of two topics share less than half of their words
        "time_train": int(each[~late & ~crosses].sum()),
        "time_test": int(each[late].sum()),
        "time_crossing": int(each[~late & crosses].sum()),
        "time_unknown": 0,
    }


def _stage(seen: int, kept: int, dropped: dict[str, int], **more: Any) -> dict[str, Any]:
    return {"seen": seen, "kept": kept, "dropped": dropped, **more}
