"""Lines of dumps as runs of piece numbers: which fields there are, in which period.

Fields and types follow the specification (4.3, 4.4): times as text until September 2016, as numbers
until May 2020, as fractions afterwards; ``is_submitter`` from November 2017; and so on. R is the
number of lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sad.sample import _fields
from sad.sample._block import TOLD_FROM
from sad.sample._rows import Body, Mask, Rows
from sad.sample._text import Digits, Index, Pool

_PERIODS = (TOLD_FROM, 1_546_300_800)  # later ones from November 2017 and from January 2019, UTC
_TEXT_UNTIL, _FRACTIONS_FROM = 1_475_280_000, 1_590_969_600
SUBREDDITS = ("changemyview", "ChangeMyView", "unpopularopinion")


@dataclass(frozen=True, slots=True)
class Comments:
    """Fields of R comments; ids as numbers, ``author`` as a piece (0: deleted)."""

    order: Index  # lines are sorted by it
    number: Index  # 0: no id
    link: Index
    parent: Index
    on_post: Mask  # whether ``parent`` is a post
    author: Index
    created: Index
    retrieved: Index
    is_submitter: Mask
    by_moderator: Mask
    sticky: Mask
    subreddit: Index  # of ``SUBREDDITS``
    slug: Index
    body: Body

    def take(self, rows: Index | Mask) -> Comments:
        """The comments ``rows``."""
        mine = {name: getattr(self, name)[rows] for name in self.__slots__ if name != "body"}
        return replace(self, body=self.body.take(rows), **mine)


@dataclass(frozen=True, slots=True)
class Posts:
    """Fields of R submissions."""

    number: Index
    author: Index
    created: Index
    retrieved: Index
    title: Sequence[Index]  # columns of pieces
    n_comments: Index
    has_delta: Mask
    subreddit: Index
    slug: Index
    body: Body

    def take(self, rows: Index | Mask) -> Posts:
        """The submissions ``rows``."""
        mine = {
            name: getattr(self, name)[rows]
            for name in self.__slots__
            if name not in ("body", "title")
        }
        title = [column[rows] for column in self.title]
        return replace(self, body=self.body.take(rows), title=title, **mine)


class Writer:
    """Makes lines of fields; holds the pieces that lines have in common."""

    def __init__(self, pool: Pool, digits: Digits) -> None:
        self._pool, self._digits = pool, digits
        self._scores = pool.many([str(n) for n in range(-50, 1000)]) + 50
        self._flairs = pool.many(["null"] * 9 + [f'"{n}\\u2206"' for n in range(1, 200)])
        self._counts = pool.many([str(n) for n in range(10_000)])
        self._unknown = pool.add("[deleted]")
        texts = [value for value in vars(_fields).values() if isinstance(value, tuple)]
        self._periods = {each: np.array([pool.add(text) for text in each]) for each in texts}
        fields = [f',"subreddit":"{name}"' for name in SUBREDDITS]
        self._subreddits = np.array([pool.add(field) for field in fields])

    def _either(self, which: Mask, yes: str, no: str) -> Index:
        return np.where(which, self._pool.add(yes), self._pool.add(no))

    def _same(self, text: str, n: int) -> Index:
        return np.full(n, self._pool.add(text))

    def _created(self, created: Index) -> list[Index]:
        is_text = created < _TEXT_UNTIL
        is_fraction = created >= _FRACTIONS_FROM
        close = np.where(
            is_text, self._pool.add('"'), np.where(is_fraction, self._pool.add(".0"), 0)
        )
        opening = self._either(is_text, ',"created_utc":"', ',"created_utc":')
        return [opening, *self._digits.time(created), close]

    def _edited(self, created: Index, noise: Index) -> list[Index]:
        # 4 % of comments show an edit: measured on cmv-priniski and cmv-modes (3.9 %).
        later = noise % 25 == 0
        digits = self._digits.time(created + 60 + noise % 5000)
        opening = self._either(later, ',"edited":', ',"edited":false')
        return [opening, *(np.where(later, column, 0) for column in digits)]

    def _who(self, author: Index, period: Index, noise: Index) -> list[Index]:
        known = author > 0
        flair = np.where(known, noise % 90 * (noise % 7 == 0), 0) + self._flairs
        full = known & (period > 0)
        letters = self._digits.short(author * 7919)
        return [
            np.where(known, author, self._unknown),
            self._periods[_fields.FLAIRS][period],
            flair,
            self._periods[_fields.AFTER_FLAIR][period],
            self._either(full, ',"author_fullname":"t2_', ""),
            *(np.where(full, column, 0) for column in letters),
            self._either(full, '"', ""),
        ]

    def _score(self, noise: Index) -> Index:
        # Most comments stay near 1; a few rise. Source: ours.
        high = np.minimum(40_000 // (noise % 4001 + 1), 900)
        return self._scores + np.where(noise % 11 == 0, -(noise % 9), high % 900 // 8)

    def _retrieved(self, retrieved: Index, created: Index, period: Index) -> list[Index]:
        name = self._either(created >= _FRACTIONS_FROM, 'utc":', 'on":')
        return [
            self._periods[_fields.BEFORE_RETRIEVED][period],
            name,
            *self._digits.time(retrieved),
        ]

    def comments(self, rows: Comments) -> Rows:
        """The lines of ``rows``."""
        n = len(rows.number)
        created = rows.created
        period = np.searchsorted(_PERIODS, created, side="right")
        noise = rows.number % 999_983
        modern = period > 0
        told = modern & rows.is_submitter
        post, link = self._digits.short(rows.link), self._digits.short(rows.link)
        above = self._digits.name(np.where(rows.on_post, 0, rows.parent))
        post_above = self._digits.short(np.where(rows.on_post, rows.parent, 0))
        own = [np.where(rows.number > 0, c, 0) for c in self._digits.name(rows.number)]
        head = [
            self._periods[_fields.OPENINGS][period],
            *self._who(rows.author, period, noise),
            self._same(',"body":"', n),
            rows.body.prefix, rows.body.opening, rows.body.inner,
        ]  # fmt: skip
        tail = [
            rows.body.suffix,
            self._periods[_fields.AFTER_BODY][period],
            self._either(noise % 20 == 0, "1", "0"),
            *self._created(created),
            self._either(
                rows.by_moderator, ',"distinguished":"moderator"', ',"distinguished":null'
            ),
            *self._edited(created, noise),
            self._periods[_fields.BEFORE_ID][period], *own,
            np.where(modern, self._either(told, '","is_submitter":true,"link_id":"t3_',
                                          '","is_submitter":false,"link_id":"t3_'),
                     self._pool.add('","link_id":"t3_')),
            *link,
            self._periods[_fields.BEFORE_PARENT][period],
            self._either(rows.on_post, "t3_", "t1_"),
            np.where(rows.on_post, 0, above[0]),
            *(np.where(rows.on_post, p, a) for p, a in zip(post_above, above[1:], strict=True)),
            self._either(modern, '","permalink":"/r/changemyview/comments/', '"'),
            *(np.where(modern, c, 0) for c in post),
            np.where(modern, rows.slug, 0),
            *(np.where(modern, c, 0) for c in own),
            self._either(modern, '/"', ""),
            *self._retrieved(rows.retrieved, created, period),
            self._same(',"score":', n), self._score(noise),
            self._periods[_fields.BEFORE_STICKIED][period],
            self._either(rows.sticky, "true", "false"),
            self._subreddits[rows.subreddit],
            self._periods[_fields.LAST][period],
        ]  # fmt: skip
        return Rows.of(rows.order, head, rows.body, tail)

    def posts(self, rows: Posts) -> Rows:
        """The lines of ``rows``."""
        n = len(rows.number)
        created = rows.created
        period = np.searchsorted(_PERIODS, created, side="right")
        noise = rows.number % 999_983
        own = self._digits.short(rows.number)
        old, score = period == 0, self._score(noise)
        head = [
            self._same('{"author":"', n),
            *self._who(rows.author, period, noise),
            self._periods[_fields.POST_FIELDS][period],
            self._same(',"selftext":"', n),
            rows.body.prefix, rows.body.opening, rows.body.inner,
        ]  # fmt: skip
        tail = [
            rows.body.suffix,
            self._same('"', n),
            *self._created(created),
            self._same(',"distinguished":null', n),
            *self._edited(created, noise),
            self._same(',"gilded":0,"id":"', n), *own,
            self._either(rows.has_delta, '","is_self":true,"link_flair_text":"Delta(s) from OP"',
                         '","is_self":true,"link_flair_text":null'),
            self._same(',"locked":false,"num_comments":', n),
            self._counts + np.minimum(rows.n_comments, 9999),
            self._same(',"over_18":false,"permalink":"/r/changemyview/comments/', n),
            *own, rows.slug, self._same('"', n),
            *self._retrieved(rows.retrieved, created, period),
            self._either(old, ',"downs":0,"name":"t3_', ""), *(np.where(old, c, 0) for c in own),
            self._either(old, '","ups":', ""), np.where(old, score, 0),
            self._same(',"score":', n), score,
            self._same(',"spoiler":false,"stickied":false', n),
            self._subreddits[rows.subreddit],
            self._periods[_fields.POST_LAST][period],
            self._same(',"title":"', n), *rows.title,
            self._same('","url":"https://www.reddit.com/r/changemyview/comments/', n),
            *own, rows.slug, self._same('"', n),
            self._periods[_fields.LAST][period],
        ]  # fmt: skip
        return Rows.of(created, head, rows.body, tail)

    def broken(self, time: Index, rows: Comments) -> Rows:
        """Lines that are cut off within the body of ``rows``."""
        n = len(time)
        columns = [self._same('{"author":"', n), self._same('x","body":"', n), rows.body.opening]
        return Rows.alike(time, [*columns, self._same("\n", n)])

    def blank(self, time: Index) -> Rows:
        """Empty lines."""
        return Rows.alike(time, [self._same("\n", len(time))])
