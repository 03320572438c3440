"""Thread scripts: the notation in which the sample's threads are written (see ``FORMAT.md``)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sad.errors import DataError
from sad.types import Span, Stance, Strategy

_HEAD = re.compile(r"^(title|author|time): (.+)$")
_COMMENT = re.compile(r"^> (\w+) (\w+) ([\w-]+) (support|oppose) \+(\d+)$")
_DIRECTIVE = re.compile(r"^@(quote|edit|delta|before|after|set|drop|footnote)(?: (.*))?$")
_SENTENCE = re.compile(r"^([QCEAS]+)\| (.+)$")
_TWO_FORMS = re.compile(r"\{\{(.*?)=>(.*?)\}\}")
_LETTERS = {s.letter: s for s in Strategy}


@dataclass(slots=True)
class Node:
    """A post or comment of a script, with its raw and cleaned forms and its gold labels."""

    id: str
    parent: str | None
    author: str
    stance: Stance
    time: datetime
    raw: str = ""
    text: str = ""
    spans: list[Span] = field(default_factory=list)
    directives: list[tuple[str, str]] = field(default_factory=list)

    @property
    def strategies(self) -> Strategy:
        """The union of the labels of the node's sentences."""
        union = Strategy(0)
        for span in self.spans:
            union |= span.label
        return union

    def values(self, name: str) -> list[str]:
        """The values of directive ``name``, in order."""
        return [value for key, value in self.directives if key == name]

    def overrides(self) -> dict[str, object]:
        """The dump fields that ``@set`` lines replace."""
        pairs = (value.split("=", 1) for value in self.values("set"))
        return {key: json.loads(value) for key, value in pairs}

    def add_sentence(self, labels: str, sentence: str, *, new_paragraph: bool) -> None:
        """Append one labelled sentence to both forms of the text."""
        raw = _TWO_FORMS.sub(lambda m: m[1], sentence)
        clean = _TWO_FORMS.sub(lambda m: m[2].replace("\\n", "\n"), sentence)
        gap = "" if not self.text else "\n\n" if new_paragraph else " "
        self.raw += gap + raw
        self.text += gap
        start = len(self.text)
        self.text += clean
        self.spans += [Span(_LETTERS[c], start, len(self.text)) for c in labels]


@dataclass(slots=True)
class Script:
    """One thread: its title and its nodes, the post first, parents before children."""

    title: str
    nodes: list[Node]


def parse(path: Path) -> Script:
    """The thread written in the script at ``path``.

    Raises:
        DataError: a line is not of the notation, or names an unknown parent.
    """
    head: dict[str, str] = {}
    nodes: list[Node] = []
    new_paragraph = False
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        if len(head) < 3:
            match = _HEAD.match(line)
            if not match:
                raise DataError(path, "expected 'title:', 'author:' or 'time:'", line=number)
            head[match[1]] = match[2].strip()
            if len(head) == 3:
                nodes.append(_post(head))
        elif line.startswith(">"):
            nodes.append(_comment(line, nodes, path, number))
        elif line.strip() == "-":
            new_paragraph = True
        else:
            _content(line, nodes[-1], new_paragraph, path, number)
            new_paragraph = False
    if not nodes:
        raise DataError(path, "the script has no post; see FORMAT.md")
    return Script(head["title"], nodes)


def _post(head: dict[str, str]) -> Node:
    time = datetime.strptime(head["time"], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    return Node("op", None, head["author"], Stance.SUPPORT, time)


def _comment(line: str, nodes: list[Node], path: Path, number: int) -> Node:
    match = _COMMENT.match(line)
    if not match:
        raise DataError(path, "expected '> ID PARENT AUTHOR STANCE +MINUTES'", line=number)
    known = {node.id: node for node in nodes}
    name, parent, author, stance, minutes = match.groups()
    if parent not in known or name in known:
        raise DataError(path, f"parent {parent!r} unknown or id {name!r} taken", line=number)
    time = known[parent].time + timedelta(minutes=int(minutes))
    return Node(name, parent, author, Stance[stance.upper()], time)


def _content(line: str, node: Node, new_paragraph: bool, path: Path, number: int) -> None:
    if match := _SENTENCE.match(line):
        node.add_sentence(match[1], match[2].strip(), new_paragraph=new_paragraph)
    elif line.startswith("x| "):
        node.raw += ("\n" if node.raw else "") + line[3:].replace("\\n", "\n")
    elif match := _DIRECTIVE.match(line):
        node.directives.append((match[1], match[2] or ""))
    else:
        raise DataError(path, "expected 'LABELS| sentence', '-' or '@directive'", line=number)
