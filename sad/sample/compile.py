"""Make the sample's data files from its thread scripts: ``python -m sad.sample.compile``.

Writes, beside this module, ``RS_sample.ndjson`` and ``RC_sample.ndjson`` (the dump, with the noise
of real dumps added on purpose), ``gold.jsonl`` (our labels of every utterance) and
``expected.json`` (which node a build by the rules ``paper`` must drop, and why).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sad.files import write_json, write_text
from sad.sample.script import Node, Script, parse
from sad.types import STRATEGY_LABELS

HERE = Path(__file__).parent
SCRIPTS = HERE / "threads"

_FOOTNOTE = (
    "\n\n_____\n\n> *Hello, users of CMV! Your moderators remind you to read the* "
    "***[rules](https://example.org/rules)*** *and to argue with the view, not the person. "
    "Happy CMVing!*"
)
_CONFIRMED = (
    "Confirmed: 1 delta awarded to /u/{winner} ([1∆](/r/changemyview/wiki/user/{winner})).\n\n"
    "^[History](/r/changemyview/wiki/user/{winner}) of awards."
)
_HIDDEN = (
    '\n\n[\u200b](HTTP://DB3PARAMSSTART\n{{"comment": "for the bot only", "issues": {{}}, '
    '"parentUserName": "{winner}"}}\nDB3PARAMSEND)'
)
_EDITS = ("\n\nEDIT: ", "\n\n**Edit 2:** ", "\n\nUpdate: ", "\n\nedit - ")

_EXTRA_DROPS = dict.fromkeys(["t1_q3", "t1_q4", "t1_q7", "t1_q9"], "orphans")
_EXTRA_DROPS |= {"t1_q8": "missing_submission"}
_EXTRA_DROPS |= dict.fromkeys(["t1_q5", "t1_q6"], "cycles")


def main() -> None:
    """Write the four files."""
    scripts = [parse(path) for path in sorted(SCRIPTS.glob("*.txt"))]
    threads = [_Thread(number, script) for number, script in enumerate(scripts, 1)]
    posts = [line for thread in threads for line in thread.posts()]
    replies = [line for thread in threads for line in thread.replies()]
    extra = {n: (SCRIPTS / f"extra-{n}.ndjson").read_text() for n in ("submissions", "comments")}
    write_text(HERE / "RS_sample.ndjson", "".join(map(_line, posts)) + extra["submissions"])
    write_text(HERE / "RC_sample.ndjson", "".join(map(_line, replies)) + extra["comments"])
    gold = [record for thread in threads for record in thread.gold()]
    write_text(HERE / "gold.jsonl", "".join(map(_line, gold)))
    dropped = {name: rule for thread in threads for name, rule in thread.drops.items()}
    write_json(HERE / "expected.json", {"dropped": dropped | _EXTRA_DROPS})


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


class _Thread:
    """One script as dump lines."""

    def __init__(self, number: int, script: Script) -> None:
        self.number, self.script = number, script
        self.id = f"s{number:02d}"
        self.drops: dict[str, str] = {}
        self._by_name = {node.id: node for node in script.nodes}
        for node in script.nodes:
            rule = next(iter(node.values("drop")), None)
            above = self._name(node.parent) if node.parent else ""
            if rule or above in self.drops:
                inherited = "window" if self.drops.get(above) == "window" else "pruned"
                self.drops[self._name(node.id)] = rule or inherited

    def _name(self, node: str) -> str:
        return f"t3_{self.id}" if node == "op" else f"t1_{self.id}{node}"

    def posts(self) -> Iterator[dict[str, Any]]:
        post = self.script.nodes[0]
        line = {
            "id": self.id,
            "title": self.script.title,
            "selftext": self._body(post),
            "is_self": True,
            "num_comments": len(self.script.nodes) - 1,
            "permalink": f"/r/changemyview/comments/{self.id}/",
            "link_flair_text": "Delta(s) from OP" if self._has_delta() else None,
            **({"name": f"t3_{self.id}"} if self.number % 5 == 0 else {}),
            **self._common(post, 0),
        }
        yield line | post.overrides()

    def _has_delta(self) -> bool:
        return any(node.values("delta") for node in self.script.nodes)

    def replies(self) -> Iterator[dict[str, Any]]:
        op = self.script.nodes[0].author
        for place, node in enumerate(self.script.nodes[1:], 1):
            yield {
                "id": f"{self.id}{node.id}",
                "link_id": f"t3_{self.id}",
                "parent_id": self._name(node.parent or "op"),
                "body": self._body(node),
                "author_flair_text": f"{place}∆" if place % 4 == 0 else None,
                **({"is_submitter": node.author == op} if node.time.year > 2017 else {}),
                **self._common(node, place),
            } | node.overrides()
            if node.values("delta"):
                yield self._confirmation(node, place)

    def _confirmation(self, award: Node, place: int) -> dict[str, Any]:
        winner = self._by_name[award.parent or "op"].author
        self.drops[f"t1_{self.id}{award.id}x"] = "bot"
        body = _CONFIRMED.format(winner=winner)
        if self.number % 6 == 0:
            body = f"Confirmation: delta awarded to /u/{winner}"
        elif award.time.year > 2016:
            body += _HIDDEN.format(winner=winner)
        return {
            "id": f"{self.id}{award.id}x",
            "link_id": f"t3_{self.id}",
            "parent_id": self._name(award.id),
            "body": body,
            **self._common(award, place),
            "author": "DeltaBot",
            "distinguished": "moderator",
        }

    def _common(self, node: Node, place: int) -> dict[str, Any]:
        seconds = int(node.time.timestamp())
        # Dumps hold times as numbers, texts and fractions, from month to month.
        forms = (seconds, str(seconds), float(seconds))
        return {
            "author": node.author,
            "created_utc": forms[(self.number + place // 7) % 3],
            "edited": False if place % 5 else seconds + 600,
            "score": place * 3 % 17 - 2,
            "subreddit": "changemyview" if self.number % 9 else "ChangeMyView",
            "subreddit_id": "t5_2w2s8",
            "retrieved_utc" if self.number % 4 == 0 else "retrieved_on": seconds + 864_000,
        }

    def _body(self, node: Node) -> str:
        marker = "&gt; " if self.number % 2 else "> "
        quoted = "".join(f"{marker}{text}\n\n" for text in node.values("quote"))
        before = "".join(f"{text}\n\n" for text in node.values("before"))
        after = "".join(f"\n\n{text}" for text in (*node.values("after"), *node.values("delta")))
        edits = "".join(
            _EDITS[(self.number + i) % 4] + t for i, t in enumerate(node.values("edit"))
        )
        footnote = _FOOTNOTE if node.values("footnote") else ""
        body = f"{before}{quoted}{node.raw}{after}{edits}{footnote}"
        for written, meant in (("\\u2028", "\u2028"), ("\\u0085", "\u0085"), ("\\n", "\n")):
            body = body.replace(written, meant)
        return body

    def gold(self) -> Iterator[dict[str, Any]]:
        for node in self.script.nodes:
            if node.spans:
                yield {
                    "id": self._name(node.id),
                    "text": node.text,
                    "topic": self.script.title,
                    "stance": int(node.stance),
                    "strategies": node.strategies.labels(),
                    "spans": [
                        {"label": s.label.label, "start": s.start, "end": s.end} for s in node.spans
                    ],
                    "labels_annotated": list(STRATEGY_LABELS),
                }


if __name__ == "__main__":
    main()
