"""Lines that come on top of the trees: repeated ids, orphans, other subreddits, damaged lines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sad.sample._block import Nodes, Rng
from sad.sample._bodies import Bodies
from sad.sample._lines import SUBREDDITS, Comments, Posts, Writer
from sad.sample._rows import Body, Rows
from sad.sample._text import Index

# Lines per comment at noise 1; the default is a fifth of it. Damage, which real dumps hardly have,
# falls with the fifth power of the noise. Source: ours.
COMMENTS = {
    "orphans": 0.02,
    "missing_submission": 0.01,
    "cycles": 0.002,
    "other_subreddit": 0.02,
    "no_id": 0.002,
}
AGAIN, BROKEN, BLANK = 0.02, 0.002, 0.002
POSTS_AGAIN, POSTS_ELSEWHERE, POSTS_BROKEN = 0.03, 0.03, 0.01
OTHER_CASE = 0.05
_FATES = ("tree", *COMMENTS)
_LATER = 30  # seconds between a comment and the line that is made after it
_EARLIER = 1_000_000  # seconds between two retrievals
_NOWHERE = 12 * 36**6  # numbers of comments that are in no dump


@dataclass(frozen=True, slots=True)
class Plan:
    """Comment lines: the node each is made after, and what becomes of it (of ``_FATES``)."""

    base: Index
    fate: NDArray[np.int8]

    def of(self, name: str) -> Index:
        """The lines of the fate ``name``."""
        return np.flatnonzero(self.fate == _FATES.index(name))


class Extras:
    """Draws the lines on top and counts them."""

    def __init__(self, writer: Writer, bodies: Bodies, noise: float) -> None:
        self._writer, self._noise = writer, noise
        self._damaged, self._deleted = bodies.damaged, bodies.deleted

    def _some(self, rng: Rng, n: int, rate: float, *, damage: bool = False) -> Index:
        """Rows of ``n``, ascending, about ``rate`` of them at noise 1."""
        share = self._noise**5 if damage else self._noise
        chosen = rng.poisson(rate * share * n) if n else 0
        return np.sort(rng.integers(0, max(n, 1), chosen))

    def plan(self, rng: Rng, nodes: Nodes) -> Plan:
        """All comment lines with an id of their own: those of the trees first."""
        comments = np.flatnonzero(nodes.parent >= 0)
        base, fate = [comments], [np.zeros(len(comments), np.int8)]
        for place, (name, rate) in enumerate(COMMENTS.items(), 1):
            rows = comments[self._some(rng, len(comments), rate, damage=name == "no_id")]
            if name == "cycles":
                rows = np.repeat(rows, 2)  # each answers the other
            base.append(rows)
            fate.append(np.full(len(rows), place, np.int8))
        return Plan(np.concatenate(base), np.concatenate(fate))

    def delays(self, plan: Plan, nodes: Nodes) -> Index:
        """Seconds between the post and each line."""
        return nodes.delay[plan.base] + np.where(plan.fate > 0, _LATER, 0)

    def astray(self, rng: Rng, plan: Plan, rows: Comments) -> Comments:
        """``rows`` of ``plan`` with what sends the lines on top astray."""
        parent, link, number = rows.parent.copy(), rows.link.copy(), rows.number.copy()
        on_post, subreddit = rows.on_post.copy(), rows.subreddit.copy()
        orphans, missing, cycles = map(plan.of, ("orphans", "missing_submission", "cycles"))
        on_post[np.concatenate([orphans, cycles])] = False
        parent[orphans] = _NOWHERE + rng.integers(0, 36**6, len(orphans))
        parent[cycles] = number[cycles.reshape(-1, 2)[:, ::-1].ravel()]  # in pairs
        on_post[missing] = True
        link[missing] += 4  # posts are six numbers apart or more
        parent[missing] = link[missing]
        subreddit[plan.of("other_subreddit")] = SUBREDDITS.index("unpopularopinion")
        number[plan.of("no_id")] = 0
        return replace(
            rows, parent=parent, link=link, number=number, on_post=on_post, subreddit=subreddit
        )

    def cased(self, rng: Rng, n: int) -> Index:
        """The subreddit of ``n`` lines, now and then in another case."""
        return (rng.random(n) < OTHER_CASE * self._noise).astype(np.int64)

    def comments(self, rng: Rng, plan: Plan, rows: Comments) -> tuple[list[Rows], Counter[str]]:
        """The lines of ``rows`` and the ones without an id of their own; what a reader counts."""
        in_trees = plan.of("tree")
        again = rows.take(in_trees[self._distinct(rng, len(in_trees), AGAIN)])
        again = replace(again, retrieved=again.retrieved - _EARLIER, body=self._gone(again.body))
        cut = rows.take(in_trees[self._some(rng, len(in_trees), BROKEN, damage=True)])
        blank = in_trees[self._some(rng, len(in_trees), BLANK, damage=True)]
        lines = [
            self._writer.comments(rows), self._writer.comments(again),
            self._writer.broken(cut.order, cut), self._writer.blank(rows.order[blank]),
        ]  # fmt: skip
        counts = Counter({name: len(plan.of(name)) for name in COMMENTS})
        counts.update(
            seen=sum(len(part.time) for part in lines), duplicates=len(again.number),
            bad_json=len(cut.number), blank=len(blank),
        )  # fmt: skip
        return lines, counts + damaged(self._damaged, rows.body)

    def posts(self, rng: Rng, rows: Posts) -> tuple[list[Rows], Counter[str]]:
        """The lines of ``rows`` and those on top; what a reader counts."""
        n = len(rows.number)
        again = rows.take(self._distinct(rng, n, POSTS_AGAIN))
        again = replace(again, retrieved=again.retrieved - _EARLIER, body=self._gone(again.body))
        away = rows.take(self._distinct(rng, n, POSTS_ELSEWHERE))
        elsewhere = np.full(len(away.number), SUBREDDITS.index("unpopularopinion"))
        away = replace(away, number=away.number + 3, subreddit=elsewhere)
        blank = self._some(rng, n, POSTS_BROKEN, damage=True)
        lines = [
            self._writer.posts(rows), self._writer.posts(again), self._writer.posts(away),
            self._writer.blank(rows.created[blank]),
        ]  # fmt: skip
        counts = Counter(
            seen=sum(len(part.time) for part in lines), duplicates=len(again.number),
            other_subreddit=len(away.number), blank=len(blank),
        )  # fmt: skip
        whole = damaged(self._damaged, rows.body) + damaged(self._damaged, away.body)
        return lines, counts + whole

    def _distinct(self, rng: Rng, n: int, rate: float) -> Index:
        return np.unique(self._some(rng, n, rate))

    def _gone(self, body: Body) -> Body:
        """Other bodies in the place of ``body``; the older retrieval must lose."""
        zero = np.zeros(len(body.opening), np.int64)
        return replace(
            body, prefix=zero, inner=zero, suffix=zero, length=zero,
            opening=np.full(len(zero), self._deleted),
        )  # fmt: skip


def damaged(marks: dict[str, int], body: Body) -> Counter[str]:
    """How many lines hold each of the bytes that damage a line."""
    return Counter({name: int((body.inner == piece).sum()) for name, piece in marks.items()})
