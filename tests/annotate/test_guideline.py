import re

import pytest

from annotate import guideline
from annotate.sentences import split
from sad.constants import STRATEGY_DEFINITIONS
from sad.types import STRATEGY_LABELS

TEXT = guideline.PATH.read_text(encoding="utf-8")


def test_definitions_are_those_of_the_specification():
    """Up to the capital and the full stop that make them sentences."""
    entries = guideline.load().entries
    assert [entry.label for entry in entries] == list(STRATEGY_LABELS)
    for entry in entries:
        published = STRATEGY_DEFINITIONS[entry.label]
        assert entry.definition == f"{published[0].upper()}{published[1:]}."


def test_every_list_is_filled():
    found = guideline.load()
    assert found.intro and found.ties and found.stance
    for entry in found.entries:
        assert all((entry.assign, entry.avoid, entry.no)) and len(entry.yes) >= 2


def test_no_line_of_a_list_is_lost():
    """Every line that begins with a dash is an item of some list."""
    found = guideline.load()
    kept = len(found.ties) + len(found.stance)
    kept += sum(len(e.assign) + len(e.avoid) + len(e.yes) + len(e.no) for e in found.entries)
    assert kept == len(re.findall(r"^- ", TEXT, re.MULTILINE))


def test_counterexamples_name_what_they_are():
    """Where a reason names labels, each is a strategy, and not the one that is denied."""
    for entry in guideline.load().entries:
        for _, reason in entry.no:
            named = [name for name in STRATEGY_LABELS if reason.startswith(name)]
            assert named and named != [entry.label], reason


def test_no_example_is_both_yes_and_no():
    for entry in guideline.load().entries:
        assert not {*entry.yes} & {text for text, _ in entry.no}


def test_examples_are_single_sentences():
    texts = [text for entry in guideline.load().entries for text in entry.yes]
    assert {len(places) for places in split(texts)} == {1}


def test_version_is_read():
    assert guideline.load().version == re.search(r"version: (\S+)", TEXT)[1]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("---\nversion", "version", "begins with its version"),
        ("version: ", "edition: ", "begins with its version"),
        ("# Guideline", "Guideline", "begins with its version"),
        ("## Ties\n", "## Bonds\n", "Bonds"),
        ("## Question\n", "## Enquiry\n", "Enquiry"),
        ("## Stance\n", "## Stance\n## More\n", "More"),
        ("Assign when:\n", "Assign if:\n", "Question has the lists"),
        ("Yes:\n", "Yea:\n", "Question has the lists"),
        (" (Statement: the question is quoted)", "", "does not end with its reason"),
    ],
)
def test_damaged_guideline_is_refused(old, new, told):
    assert old in TEXT
    with pytest.raises(ValueError, match=told):
        guideline.parse(TEXT.replace(old, new, 1))


def test_lists_in_another_order_are_refused():
    swapped = (
        TEXT.replace("Yes:\n", "?:\n", 1).replace("No:\n", "Yes:\n", 1).replace("?:\n", "No:\n", 1)
    )
    with pytest.raises(ValueError, match="Question has the lists"):
        guideline.parse(swapped)


def test_empty_text_is_refused():
    with pytest.raises(ValueError, match="version"):
        guideline.parse("")
