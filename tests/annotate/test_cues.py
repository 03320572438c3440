import pytest

from annotate import calibration, guideline, sentences
from annotate.labeller import Item, Label, Side, load
from annotate.labellers.cues import CALIBRATION
from sad.errors import ModelError, SettingsError
from sad.types import NO_STRATEGY, Strategy


@pytest.fixture(scope="module")
def cues():
    return load("cues")


def letters(labeller, text):
    (label,) = labeller.label([Item("1", text)])
    return "".join(strategy.letter for strategy in Strategy if strategy in label.strategies)


# Written for these tests from the guideline, without a look at training text or sample.
QUESTIONS = [
    ("Q", "Who would pay for the extra staff?"),
    ("Q", "Is that fair (to anybody)?!"),
    ("Q", "so why did it fail every year"),
    ("Q", "And what did we get for all that money."),
    ("Q", "How do you police a rule like that"),
    ("S", 'She only wanted to know "who would pay for it?"'),
    ("S", '"Who would pay for it?" she said.'),
    ("S", "Right?"),
    ("S", "That is the deal, okay?"),
    ("S", "Do you have a source?"),
    ("S", "Could you repeat the last part?"),
    ("S", "What do you mean by fair?"),
]
CAUSES = [
    ("C", "Wards close because rents push nurses out."),
    ("C", "The fines led to fewer complaints."),
    ("C", "Higher rents force young nurses to leave."),
    ("C", "If rents rise again, the wards will close."),
    ("C", "Take away the late bus and half of the apprentices lose their job."),
    ("C", "The more we tax it, the less of it there is."),
    ("C", "Without the grant, the choir would fold."),
    ("C", "The choir survives thanks to the grant."),
    ("C", "As a result, the choir folded."),
    ("C", "The fee is high, which means that fewer families will come."),
    ("C", "A long form keeps people from voting."),
    ("C", "The rule makes hiring harder."),
    ("C", "Fines cause delays."),
    ("S", "I believe this because it is what honesty demands."),
    ("S", "I say it is wrong because it is cruel."),
    ("S", "The numbers differ, so the claim is false."),
    ("S", "This is a good cause."),
    ("S", "They take the lead."),
    ("S", "That is one of the root causes of crime."),
    ("S", "Both fell in the same years, and nothing made the one rise."),
]
CASES = [
    ("E", "Last winter the bakery on the corner shut."),
    ("E", "My uncle sold his shop."),
    ("E", "Some trades, for example plumbing, pay well."),
    ("E", "I waited nine weeks for a scan."),
    ("E", "In 2014, Seattle raised the wage."),
    ("E", "The tram in Geneva was free for a year."),
    ("E", "Imagine a nurse on two shifts who rents next door."),
    ("S", "The law was passed in 2001."),
    ("S", "Many small shops are struggling."),
    ("S", "Imagine my surprise."),
]
PARALLELS = [
    ("A", "Banning the tool is like banning kitchen knives."),
    ("A", "By that logic we should close the library."),
    ("A", "Nobody asks a fire brigade to show a profit."),
    ("A", "You don't burn down a library over one bad book."),
    ("A", "You wouldn't hire a pilot without a licence."),
    ("A", "It is no different from a toll on a bridge."),
    ("A", "That is the equivalent of a toll on a bridge."),
    ("A", "It would be like fining the thermometer."),
    ("A", "Just as a knife cuts both ways, so does a law."),
    ("S", "I like long walks more than short ones."),
    ("S", "The hall was as loud as a railway station."),
    ("S", "You don't think it is fair."),
]
PLAIN = [
    ("S", "Privacy is a precondition of a free press."),
    ("S", "You have a point about the costs."),
    ("S", "Thank you all for coming."),
]


@pytest.mark.parametrize(("expected", "text"), QUESTIONS + CAUSES + CASES + PARALLELS + PLAIN)
def test_sentence_bears_what_its_construction_does(cues, expected, text):
    assert letters(cues, text) == expected


@pytest.mark.parametrize("entry", guideline.load().entries, ids=lambda entry: entry.label)
def test_most_examples_of_the_guideline_bear_their_label(cues, entry):
    wanted = Strategy.from_labels([entry.label]).letter
    right = [text for text in entry.yes if wanted in letters(cues, text)]
    assert len(right) >= len(entry.yes) - 1


@pytest.mark.parametrize("entry", guideline.load().entries, ids=lambda entry: entry.label)
def test_no_counterexample_of_the_guideline_bears_the_label(cues, entry):
    wanted = Strategy.from_labels([entry.label]).letter
    assert not [text for text, _ in entry.no if wanted in letters(cues, text)]


def test_typographic_apostrophe_reads_as_a_straight_one(cues):
    assert letters(cues, "You wouldn’t hire a pilot without a licence.") == "A"


def test_question_after_an_open_quotation_mark_is_not_the_speakers_own(cues):
    # Two sentences within one pair of marks: the second holds neither of them.
    assert letters(cues, '"We cannot go on. Who would pay for it? Nobody." That was all.') == "S"


def test_quotation_of_another_paragraph_does_not_reach_a_question(cues):
    assert letters(cues, 'An inch is 1".\nWho would pay for it?') == "QS"


def test_question_mark_counts_behind_a_thousand_characters(cues):
    assert letters(cues, "Is " + "really, " * 200 + "this fair?") == "Q"


def test_label_is_the_union_over_sentences_and_they_are_the_evidence(cues):
    text = "\U0001f600 Who pays? The fines led to fewer complaints."
    (label,) = cues.label([Item("1", text)])
    assert label.strategies == Strategy.QUESTION | Strategy.CAUSALITY
    spans = {span.label: text[span.start : span.end] for span in label.spans}
    assert spans[Strategy.QUESTION].endswith("Who pays?")
    assert spans[Strategy.CAUSALITY] == "The fines led to fewer complaints."


def test_symbols_alone_are_a_statement_and_blank_text_has_no_label(cues):
    symbols, blank = cues.label([Item("1", "?!"), Item("2", " \n ")])
    assert symbols.strategies == Strategy.STATEMENT
    assert (symbols.spans[0].start, symbols.spans[0].end) == (0, 2)
    assert symbols.scores[4] == CALIBRATION[Strategy.STATEMENT][0]
    assert blank == Label(NO_STRATEGY, (0.0,) * 5, ())


def test_scores_are_the_calibrated_probabilities_of_what_fired(cues):
    (label,) = cues.label([Item("1", "Who would pay for the extra staff?")])
    assert label.scores == tuple(
        CALIBRATION[s][0 if s is Strategy.QUESTION else 1] for s in Strategy
    )


@pytest.mark.parametrize("unit", ["i ", "you take the ", "a Bob ", "no one calls a ", ", and the "])
def test_work_on_a_sentence_without_end_is_bounded(cues, unit, monkeypatch):
    # Only the first thousand code points are read, so that what follows changes nothing.
    text = unit * (2000 // len(unit))
    monkeypatch.setattr(sentences, "split", lambda texts: [[(0, len(text))] for text in texts])
    longer = text + "because of it " * 1000
    assert letters(cues, longer) == letters(cues, text)


def test_scores_are_measured_and_not_made_up(cues):
    again = calibration.measured(cues, calibration.utterances())
    assert {s: pytest.approx(pair, abs=6e-4) for s, pair in again.items()} == CALIBRATION


class Says:
    """A labeller that gives the answers it was made with."""

    name = "says"

    def __init__(self, answers):
        self._answers = answers

    def label(self, items):
        return iter(self._answers)


def said(strategies):
    return Label(strategies, (0.0,) * 5, ())


def test_measured_adds_one_to_each_count():
    q, s = Strategy.QUESTION, Strategy.STATEMENT
    gold = [(Item(str(i), "text"), truth) for i, truth in enumerate([q, q, s, s])]
    found = calibration.measured(Says([said(q), said(s), said(q), said(s)]), gold)
    # Question fired twice, once rightly: (1 + 1) / (2 + 2); of the two others one was missed.
    assert found[q] == (0.5, 0.5)
    # Analogy never fired and never was: (0 + 1) / (0 + 2), (0 + 1) / (4 + 2).
    assert found[Strategy.ANALOGY] == (0.5, pytest.approx(1 / 6))


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (Side(None, 0.5), SettingsError, "says answers with stances"),
        (None, ModelError, "says has no answer to 2"),
    ],
)
def test_who_cannot_be_measured_is_told(answer, error, told, monkeypatch):
    gold = [(Item(name, "text"), Strategy.STATEMENT) for name in ("1", "2")]
    says = Says([said(Strategy.STATEMENT), answer])
    with pytest.raises(error, match=told):
        calibration.measured(says, gold)
    monkeypatch.setattr(calibration, "utterances", lambda: gold)
    monkeypatch.setattr(calibration, "load", lambda _: says)
    with pytest.raises(error, match=told):
        calibration.rates(["says"])


def test_calibration_leaves_out_what_is_held_out_for_evaluation():
    batches = {item.id.partition("-")[0] for item, _ in calibration.utterances()}
    assert batches == set(calibration.BATCHES)
    assert not batches & set(calibration.training.HELD_OUT_BATCHES)
