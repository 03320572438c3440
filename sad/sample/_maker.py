"""Makes the blocks of a dump one after the other, and keeps the tally of what they hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sad.build.settings import PRESETS
from sad.sample import _block, _shape
from sad.sample._block import AUTHORS, Nodes, Rng
from sad.sample._bodies import Bodies, Filled
from sad.sample._expected import Authors, Planted, Tally, first_stages, split_of
from sad.sample._extras import Extras, Plan
from sad.sample._lines import Comments, Posts, Writer
from sad.sample._rows import Body, Rows, in_order
from sad.sample._text import Digits, Index, Pieces, Pool
from sad.sample._titles import Titles, Topics

BLOCK = 100_000
_EPOCH = 1_450_000_000  # before every time that is drawn
_PER_SECOND, _POSTS_PER_SECOND = 48, 6  # ids; comments run from d... in 2016 to g... in 2020
_FIRST_COMMENT, _FIRST_POST = 13 * 36**6, 4 * 36**5
_TICK = 64  # seconds; as many blocks may overlap in time
_MARGIN = 0.01  # of the window, on either side, where there is noise


@dataclass(frozen=True, slots=True)
class _Times:
    """When posts [T] and comment lines were written, and the numbers of their ids."""

    posted: Index
    post_number: Index
    created: Index
    number: Index


class Maker:
    """Makes block after block and keeps the tally."""

    def __init__(self, nodes: int, seed: int, noise: float, mean: float) -> None:
        self.done = 0
        self._nodes, self._seed, self._noise, self._mean = nodes, seed, noise, mean
        self._n_blocks = self._n_threads = 0
        self.pool = pool = Pool()
        rng = np.random.default_rng([seed, 0])
        self._bodies = Bodies(pool, rng)
        self._topics = Topics(pool, self._bodies.prose)
        self._writer = Writer(pool, Digits(pool))
        self._extras = Extras(self._writer, self._bodies, noise)
        self._tallies = {name: Tally(settings) for name, settings in PRESETS.items()}
        self._threads: list[tuple[Index, Index, Index]] = []  # topic, split, posted
        self._counts: Counter[str] = Counter()
        self._old: list[Pieces] = []  # texts that the next block may repeat
        self._waiting: Rows | None = None  # comments younger than the next block's first post
        self._last = 0  # when the last thread was posted
        window = PRESETS["paper"].window
        self._since, self._until = (
            (_seconds(window.since), _seconds(window.until)) if window else (0, 0)
        )

    def block(self) -> tuple[Rows, Rows]:
        """The lines of submissions and of comments that come next."""
        rng = np.random.default_rng([self._seed, 1, self._n_blocks])
        size = _shape.sizes(rng, self._nodes - self.done, BLOCK, self._mean)
        nodes = _block.grow(rng, size)
        posted = self._posted(rng, size)
        in_window = (posted >= self._since) & (posted < self._until)
        _block.plant(rng, nodes, self._bodies.kinds, self._noise)
        length = _block.lengths(rng, nodes, self._bodies.kinds, self._bodies.prose.mean_words)
        filled = self._bodies.fill(rng, nodes, length, self._noise)
        plan = self._extras.plan(rng, nodes)
        times = self._times(plan, nodes, posted)
        rule = _block.rules(nodes, self._bodies.kinds, in_window)
        body = self._count(rng, nodes, filled, times, rule)
        titles = self._topics.draw(rng, len(size), self._n_threads, nodes.meta, self._noise)
        places = [split_of(title, PRESETS["paper"].split) for title in titles.normal]
        self._threads.append((titles.topic, np.array(places, np.int8), posted))
        lines = self._lines(rng, nodes, body, plan, times, titles)
        self.done += len(nodes.parent)
        self._n_threads += len(size)
        self._n_blocks += 1
        return lines

    def _posted(self, rng: Rng, size: Index) -> Index:
        """When the trees were posted: later ones later, spread over the window by nodes."""
        margin = _MARGIN * min(1.0, 5 * self._noise) * (self._until - self._since)
        place = (self.done + np.cumsum(size) - size * rng.random(len(size))) / self._nodes
        start, span = self._since - margin, self._until - self._since + 2 * margin
        posted = np.floor(start + span * place).astype(np.int64)
        order = np.arange(len(size))
        posted = np.maximum.accumulate(np.maximum(posted, self._last + 1) - order) + order
        self._last = int(posted[-1])
        return posted

    def _times(self, plan: Plan, nodes: Nodes, posted: Index) -> _Times:
        """When each comment line was written, and its number; both rise along every path.

        Blocks may overlap in time, so each has a second of every ``_TICK`` to itself.
        """
        time = posted[nodes.tree[plan.base]] + self._extras.delays(plan, nodes) + _TICK
        order = np.argsort(time, kind="stable")
        slot = time[order] // _TICK * _PER_SECOND
        within = np.arange(len(slot))
        tick, rest = np.divmod(np.maximum.accumulate(slot - within) + within, _PER_SECOND)
        created, number = np.empty_like(time), np.empty_like(time)
        created[order] = tick * _TICK + self._n_blocks % _TICK
        number[order] = _number(created[order]) + rest
        return _Times(posted, _FIRST_POST + (posted - _EPOCH) * _POSTS_PER_SECOND, created, number)

    def _count(
        self, rng: Rng, nodes: Nodes, filled: Filled, times: _Times,
        rule: NDArray[np.int8],
    ) -> Body:  # fmt: skip
        """The bodies with repeated texts; both tallies know of the block."""
        comments = np.flatnonzero(nodes.parent >= 0)
        created, place = (np.zeros(len(nodes.parent), np.int64) for _ in range(2))
        created[comments] = times.created[: len(comments)]
        place[comments] = times.number[: len(comments)]
        planted = Planted(
            nodes.tree, len(nodes.size), nodes.parent, nodes.depth, rule, filled.changes, place
        )
        walked = {name: tally.walk(planted) for name, tally in self._tallies.items()}
        ends = walked["paper"].ends
        body, repeats, self._old = self._bodies.repeat(
            rng, nodes, filled, ends, self._noise, self._old
        )
        authors = Authors(
            np.where(nodes.known, nodes.author, -1), nodes.by_post_author(created), nodes.confirmed
        )
        for name, tally in self._tallies.items():
            tally.finish(planted, walked[name], authors, repeats)
        return body

    def _lines(
        self, rng: Rng, nodes: Nodes, body: Body, plan: Plan, times: _Times,
        titles: Titles,
    ) -> tuple[Rows, Rows]:  # fmt: skip
        """The lines of the block in order of time; younger comments wait for the next block."""
        posts, counts = self._extras.posts(rng, self._posts(rng, nodes, body, times, titles))
        self._counts.update({f"posts_{name}": n for name, n in counts.items()})
        rows = self._comments(rng, nodes, body, plan, times, titles)
        comments, counts = self._extras.comments(rng, plan, rows)
        self._counts.update(counts)
        if self._waiting:
            comments.insert(0, self._waiting)
        ordered = in_order(comments)
        is_last = self.done + len(nodes.parent) == self._nodes
        upto = (
            len(ordered.time)
            if is_last
            else int(np.searchsorted(ordered.time, _number(self._last)))
        )
        self._waiting = ordered.part(upto, len(ordered.time))
        return in_order(posts), ordered.part(0, upto)

    def _posts(self, rng: Rng, nodes: Nodes, body: Body, times: _Times, titles: Titles) -> Posts:
        roots = np.flatnonzero(nodes.parent < 0)
        n = len(roots)
        return Posts(
            times.post_number, self._authors(nodes)[roots], times.posted, times.posted + 2_000_000,
            titles.columns, nodes.size - 1,
            np.bincount(nodes.tree[nodes.won], minlength=n) > 0, self._extras.cased(rng, n),
            titles.slug, body.take(roots),
        )  # fmt: skip

    def _comments(
        self, rng: Rng, nodes: Nodes, body: Body, plan: Plan, times: _Times,
        titles: Titles,
    ) -> Comments:  # fmt: skip
        base = plan.base
        number = np.zeros(len(nodes.parent), np.int64)
        number[base[plan.fate == 0]] = times.number[plan.fate == 0]
        above, tree = nodes.parent[base], nodes.tree[base]
        on_post = nodes.parent[above] < 0
        post = times.post_number[tree]
        official = nodes.author[base] >= AUTHORS
        rows = Comments(
            times.number, times.number, post, np.where(on_post, post, number[above]), on_post,
            self._authors(nodes)[base], times.created, times.created + 2_000_000,
            nodes.wrote[base], official, official & (nodes.depth[base] == 1),
            self._extras.cased(rng, len(base)), titles.slug[tree], body.take(base),
        )  # fmt: skip
        return self._extras.astray(rng, plan, rows)

    def _authors(self, nodes: Nodes) -> Index:
        """The pieces of the authors, 0 where they are lost."""
        return np.where(nodes.known, self._bodies.authors + nodes.author, 0)

    def expected(self) -> dict[str, Any]:
        """The counts of a build by rule set."""
        topic, place, posted = (
            np.concatenate(column) for column in zip(*self._threads, strict=True)
        )
        first = first_stages(self._counts, self._n_threads, self.done)
        return {
            name: first | tally.result(topic, place, posted)
            for name, tally in self._tallies.items()
        }


def _number(seconds: Any) -> Any:
    return _FIRST_COMMENT + (seconds - _EPOCH) * _PER_SECOND


def _seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
