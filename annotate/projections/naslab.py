"""The annotated ChangeMyView tree of NasLab (MIT): comments with discourse tags.

The tag OCQ (critical question) is the Question-like one: a comment that bears it asks one. Other
comments may ask questions that the scheme calls something else; 130 comments of one thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sad.errors import DataError
from sad.files import read_json

FILE = "cmv-conversation-example.json"

_QUOTE = re.compile(r"<quote>.*?</quote>", re.DOTALL)


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """A line per labelled comment; replies to one top-level comment are a group.

    Raises:
        DataError: the file is missing or not such a tree.
    """
    path = folder / FILE
    try:
        tree = read_json(path)
        yield from _lines(tree, tree["node"]["extra_data"]["title"], "post")
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"is not the tree of NasLab ({error!r})") from None


def _lines(tree: dict[str, Any], topic: str, group: str) -> Iterator[dict[str, Any]]:
    ahead = [(tree, group)]
    while ahead:
        place, group = ahead.pop()
        node = place["node"]
        tags = node.get("labels", {}).get("consolidated", [])
        text = _QUOTE.sub(" ", node["text"]).strip()
        if tags and text and "NA" not in tags:
            yield {
                "id": f"naslab-{node['id']}",
                "text": text,
                "topic": topic,
                "strategies": ["Question"] if "OCQ" in tags else [],
                "labels_annotated": ["Question"],
                "group": group,
            }
        below = place["children"]
        ahead += [(c, c["node"]["id"] if group == "post" else group) for c in below]
