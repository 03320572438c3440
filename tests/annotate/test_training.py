import math
import random
import re
from collections import Counter

import pytest

from annotate import training
from annotate.encoder.rows import of_training, stances_of_training
from annotate.encoder.train import TrainSettings, _divided
from annotate.training import Sentence
from annotate.training.__main__ import near_duplicates
from sad.errors import DataError, SettingsError
from sad.types import NO_STRATEGY, Stance, Strategy

SHARE_OF_A_SEQUENCE = 1 / 2000
"""At most: "at the end of the" is English; a frame that a writer repeats is more frequent."""


@pytest.fixture(scope="module")
def sentences():
    return training.load()


def _words(sentence):
    return re.findall(r"[\w']+", sentence.text.lower())


def test_every_batch_parses(sentences):
    files = training.batches()
    assert all(training.load([file]) for file in files)
    assert [file.name for file in files] == [f"batch-{n:02}.txt" for n in range(1, len(files) + 1)]
    assert {file.stem[-2:] for file in files} == {s.batch for s in sentences}


def test_size(sentences):
    assert len(sentences) >= 4000
    assert len({s.topic for s in sentences}) >= 200
    assert len({s.id for s in sentences}) == len(sentences)


def test_every_set_of_strategies_is_there(sentences):
    """A sentence is a Statement or bears some of four labels: 16 sets; an utterance: 31."""
    found = Counter(s.strategies for s in sentences)
    statement = Strategy.STATEMENT
    assert {*found} == {Strategy(mask) for mask in range(1, 16)} | {statement}
    whole = set()
    for utterance in training.utterances(sentences):
        union = NO_STRATEGY
        for sentence in utterance:
            union |= sentence.strategies
        whole.add(union.value)
    assert whole == set(range(1, 32))


def test_registers_and_stances(sentences):
    assert {s.register for s in sentences} == {"forum", "formal", "spoken"}
    sides = Counter(s.stance for s in sentences)
    assert set(sides) == {Stance.SUPPORT, Stance.OPPOSE, None}
    assert min(sides.values()) > 0.05 * len(sentences)


def test_no_frame_is_repeated(sentences):
    frames = Counter()
    for words in map(_words, sentences):
        frames.update({tuple(words[i : i + 5]) for i in range(len(words) - 4)})
    frame, often = frames.most_common(1)[0]
    assert often <= SHARE_OF_A_SEQUENCE * len(sentences), frame


def test_less_than_one_percent_are_near_duplicates(sentences):
    assert len(near_duplicates(sentences)) < 0.01 * len(sentences)


def test_near_duplicates_by_brute_force(sentences):
    some = random.Random(0).sample(sentences, 250)
    some += [*some[:5], *(s for s in sentences if s.text.startswith("Good evening"))]
    sets = [set(_words(s)) for s in some]
    expected = [
        some[i].id
        for i in range(len(sets))
        if any(len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= 0.6 for j in range(i))
    ]
    assert len(expected) > 5
    assert near_duplicates(some) == expected


def test_sentences_are_one_line_of_plain_text(sentences):
    for sentence in sentences:
        assert sentence.text == sentence.text.strip() and sentence.text.isprintable(), sentence.id


def test_held_out_text(sentences):
    apart = {None: set(), "batches": set(), "topics": set()}
    for sentence in sentences:
        apart[training.held_out(sentence)].add(sentence.topic)
    assert all(apart.values())
    assert not apart["topics"] & apart[None]
    others = {s.topic for s in sentences if s.batch not in training.HELD_OUT_BATCHES}
    # A tenth of the topics by a hash: within four standard deviations of a binomial.
    n = len(others)
    assert abs(len(apart["topics"]) - 0.1 * n) < 4 * math.sqrt(0.09 * n)


@pytest.mark.parametrize(
    ("kind", "rows_of"), [("strategies", of_training), ("stance", stances_of_training)]
)
def test_training_never_sees_what_is_held_out(sentences, kind, rows_of):
    learn, check = _divided(TrainSettings(kind=kind))
    assert Counter(learn + check) == Counter(rows_of(training.learnt_from(sentences)))
    apart = rows_of([s for s in sentences if training.held_out(s)])
    assert not {row.group for row in learn + check} & {row.group for row in apart}
    assert not {row.text for row in learn + check} & {row.text for row in apart}
    assert not {row.group for row in learn} & {row.group for row in check}
    every = [row for part in _divided(TrainSettings(kind=kind, held_out=False)) for row in part]
    assert Counter(every) == Counter(rows_of(sentences))


def test_validation_on_batches(sentences):
    learn, check = _divided(TrainSettings(validation_batches=["03", "05"]))
    kept = training.learnt_from(sentences)
    assert check == of_training([s for s in kept if s.batch in ("03", "05")])
    assert learn == of_training([s for s in kept if s.batch not in ("03", "05")])


def test_unknown_or_empty_validation_batches_are_told():
    with pytest.raises(SettingsError, match="no batch '99'; there are: 01"):
        _divided(TrainSettings(validation_batches=["99"]))
    with pytest.raises(DataError, match="too few"):
        _divided(TrainSettings(validation_batches=["08"]))  # held out


def _about(topic, text="Some sentence.", batch="01"):
    return Sentence(text, text, batch, topic, "forum", None, Strategy.STATEMENT, text)


def test_near_of_what_is_held_out_is_not_learnt_either():
    """Topics that share most of their carrying words, and sentences that are the same."""
    held = _about("The voting age should be lowered to sixteen", "Say that again.", "08")
    near = _about("Lower the voting age", "They can work.")
    same = _about("Cats", "SAY that again.")
    far = _about("Dogs should be banned", "They bark.")
    bare = _about("It is what it is", "They sleep.")  # no word of it carries a topic
    assert {training.held_out(s) for s in (near, same, far, bare)} == {None}
    assert training.learnt_from([far, near, held, same, bare]) == [far, bare]


def test_most_of_the_text_may_be_learnt_from(sentences):
    kept = training.learnt_from(sentences)
    assert len(kept) > 0.6 * len(sentences)
    assert not any(map(training.held_out, kept))


GOOD = """# Bells

s + QA | Who rings twice?
& S | I do.

f - C | more bells, less sleep
# Cats
m 0 S | Cats were discussed.
"""


def _file(tmp_path, text):
    path = tmp_path / "batch-99.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_lines_by_hand(tmp_path):
    question = Strategy.QUESTION | Strategy.ANALOGY
    spoken = ("99-0003", "99", "Bells", "spoken", Stance.SUPPORT)
    found = training.load([_file(tmp_path, GOOD)])
    assert found == [
        Sentence("99-0003", *spoken, question, "Who rings twice?"),
        Sentence("99-0004", *spoken, Strategy.STATEMENT, "I do."),
        Sentence("99-0006", "99-0006", "99", "Bells", "forum", Stance.OPPOSE, Strategy.CAUSALITY,
                 "more bells, less sleep"),
        Sentence("99-0008", "99-0008", "99", "Cats", "formal", None, Strategy.STATEMENT,
                 "Cats were discussed."),
    ]  # fmt: skip
    assert training.utterances(found) == [found[:2], [found[2]], [found[3]]]


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        ("s + S | no topic\n", 1),
        ("# T\n& S | goes on with nothing\n", 2),
        ("# T\ns + S | one\n# U\n& S | across topics\n", 4),
        ("# T\nx + S | no register\n", 2),
        ("# T\ns ? S | no stance\n", 2),
        ("# T\ns + | no label\n", 2),
        ("# T\ns + CQ | labels out of order\n", 2),
        ("# T\ns + QS | a Statement has no other label\n", 2),
        ("# T\ns + QQ | twice\n", 2),
        ("# T\ns + S |\n", 2),
        ("# T\ns + S no bar\n", 2),
        ("# T\n\n s + S | indented\n", 3),
    ],
)
def test_bad_line_is_told_with_its_number(tmp_path, bad, line):
    path = _file(tmp_path, bad)
    with pytest.raises(DataError) as told:
        training.load([path])
    assert (told.value.path, told.value.line) == (str(path), line)
