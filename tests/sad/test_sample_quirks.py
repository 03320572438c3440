"""Every quirk of real dumps that the specification lists (data-sources, section 4) is in the sample."""

import re

import pytest

from sad import sample

POSTS, COMMENTS = (path.read_text(encoding="utf-8") for path in sample.DUMPS.files())

QUIRKS = {
    "time as number": (COMMENTS, r'"created_utc": 1\d{9},'),
    "time as text": (COMMENTS, r'"created_utc": "1\d{9}"'),
    "time as fraction": (COMMENTS, r'"created_utc": 1\d{9}\.0'),
    "time missing": (COMMENTS, r'"created_utc": null'),
    "score missing": (COMMENTS, r'"score": null'),
    "never edited": (COMMENTS, r'"edited": false'),
    "edited, time": (COMMENTS, r'"edited": 1\d{9},'),
    "edited, fraction": (COMMENTS, r'"edited": 1\d{9}\.0'),
    "edited, true": (COMMENTS, r'"edited": true'),
    "older name of the retrieval time": (COMMENTS, r'"retrieved_on"'),
    "later name of the retrieval time": (COMMENTS, r'"retrieved_utc"'),
    "name in some months": (POSTS, r'"name": "t3_'),
    "entity in a title": (POSTS, r'"title": "[^"]*&amp;'),
    "subreddit in another case": (COMMENTS, r'"ChangeMyView"'),
    "another subreddit": (COMMENTS, r'"AskSomething"'),
    "flair of a post": (POSTS, r'"link_flair_text": "Delta\(s\) from OP"'),
    "flair that leaks the outcome": (COMMENTS, r'"author_flair_text": "\d+∆"'),
    "is_submitter absent in old months": (COMMENTS, r'(?m)^(?!.*is_submitter).*"s01'),
    "is_submitter present": (COMMENTS, r'"is_submitter": true'),
    "deleted body": (COMMENTS, r'"body": "\[deleted\]"'),
    "removed body": (COMMENTS, r'"body": "\[removed\]"'),
    "removed by Reddit": (COMMENTS, r"\[ Removed by Reddit \]"),
    "deleted post": (POSTS, r'"selftext": "\[deleted\]"'),
    "deleted author": (COMMENTS, r'"author": "\[deleted\]"'),
    "sticky of AutoModerator": (COMMENTS, r'"author": "AutoModerator".*"stickied": true'),
    "moderator": (COMMENTS, r'"distinguished": "moderator"'),
    "removal notice": (COMMENTS, r"Sorry \w+, your comment has been removed"),
    "DeltaBot, bare or with history": (COMMENTS, r"Confirmed: 1 delta awarded to /u/.*History"),
    "DeltaBot 3 with hidden block": (COMMENTS, r"DB3PARAMSSTART"),
    "DeltaBot, other wording": (COMMENTS, r"Confirmation: delta awarded"),
    "DeltaBot refuses": (COMMENTS, r"This delta has been rejected"),
    "!delta": (COMMENTS, r"!delta"),
    "U+2206": (COMMENTS, r"\\n∆"),
    "U+0394": (COMMENTS, r"\\nΔ"),
    "delta entity": (COMMENTS, r"&#8710;"),
    "delta entity, escaped twice": (COMMENTS, r"&amp;#8710;"),
    "delta sentence": (COMMENTS, r"Delta awarded to nobody"),
    "footnote": (POSTS, r"_____.*Hello, users of CMV!"),
    "EDIT": (COMMENTS, r"\\nEDIT: "),
    "Edit 2": (COMMENTS + POSTS, r"\\n\*\*Edit 2:\*\*"),
    "Update": (COMMENTS + POSTS, r"\\nUpdate: "),
    "quote": (COMMENTS, r'"body": "> '),
    "quote, escaped": (COMMENTS, r'"body": "&gt; '),
    "link": (COMMENTS, r"\]\(https://"),
    "zero-width space": (COMMENTS, r"&amp;#x200B;"),
    "superscript": (COMMENTS, r"\^\(seriously\)"),
    "spoiler": (COMMENTS, r">!Both were tenors!<"),
    "spoiler, other form": (COMMENTS, r"\|\|since you ask\|\|"),
    "user name in a text": (COMMENTS, r"Thanks to /u/"),
    "U+2028": (COMMENTS, "\u2028"),
    "U+0085": (COMMENTS, "\u0085"),
    "NUL": (COMMENTS, "\x00"),
    "blank line": (COMMENTS, r"(?m)^\n"),
    "broken line": (COMMENTS, r'(?m)^\{"id": "q1".*[^}]$'),
    "line that is no object": (COMMENTS, r"(?m)^\["),
    "parent as number": (COMMENTS, r'"parent_id": 77'),
    "parent missing": (COMMENTS, r'"parent_id":null'),
    "orphan": (COMMENTS, r'"parent_id": "t1_gone"'),
    "cycle": (COMMENTS, r'"id": "q5".*"parent_id": "t1_q6"'),
    "submission missing": (COMMENTS, r'"link_id": "t3_missing"'),
    "the same id twice": (COMMENTS, r'(?s)"id": "s29a1".*"id": "s29a1"'),
    "CMV at the end": (POSTS, r' CMV"'),
    "[CMV]": (POSTS, r'"title": "\[CMV\]'),
    "lower case cmv": (POSTS, r'"title": "cmv:'),
    "[Meta]": (POSTS, r'"title": "\[Meta\]'),
    "(Mod Post)": (POSTS, r'"title": "\(Mod Post\)'),
    "Fresh Topic Friday": (POSTS, r'"title": "Fresh Topic Friday'),
    "before the window": (POSTS, r"A leap day should be"),
}


@pytest.mark.parametrize("quirk", QUIRKS)
def test_quirk_is_in_the_sample(quirk):
    text, pattern = QUIRKS[quirk]
    assert re.search(pattern, text)
