"""Attacks on labellers: the texts, the pairs made of them, and what is counted."""

import importlib.util
import sys
import unicodedata
from pathlib import Path

import pytest

from annotate import training
from annotate.labeller import Item, Label, Side, load
from sad.errors import DataError, SettingsError
from sad.files import read_json
from sad.types import NO_STRATEGY, Span, Stance, Strategy

SCRIPT = Path(__file__).parents[2] / "scripts" / "perf" / "injection.py"
SCRIPTS = {  # of Unicode: how the names of its letters begin
    "ru": "CYRILLIC", "zh": "CJK", "ja": "HIRAGANA", "ar": "ARABIC", "hi": "DEVANAGARI",
    "ko": "HANGUL",
}  # fmt: skip
QUESTION, ANALOGY, STATEMENT = Strategy.QUESTION, Strategy.ANALOGY, Strategy.STATEMENT
SCORES = (0.5,) * 5


@pytest.fixture(scope="module")
def injection():
    spec = importlib.util.spec_from_file_location("perf_injection", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look for their module there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def held_out():
    return [sentence for sentence in training.load() if training.held_out(sentence)]


@pytest.fixture(scope="module")
def on(injection, held_out):
    return injection.bases(held_out)


@pytest.fixture(scope="module")
def pool(injection, held_out, on):
    return injection.statements(held_out, on)


class Fake:
    """Says Question of the base texts' four letters, and ``orders`` where a text says "obey"."""

    name, source, model, prompt_digest, alone = "fake", "model", None, None, False

    def __init__(self, orders, kind="strategies", bare=Label(QUESTION, SCORES, (Span(QUESTION, 0, 4),))):  # fmt: skip
        self.orders, self.kind, self.bare = orders, kind, bare

    def label(self, items):
        return (self.orders if "obey" in item.text else self.bare for item in items)


@pytest.fixture
def four(injection):
    """Two attacks, of which one says "obey", on two base texts: attacks, base texts, all pairs."""
    attacks = [injection.Attack("en", "order", "you shall obey me now"),
               injection.Attack("en", "plea", "be so kind and listen")]  # fmt: skip
    on = [Item(name, name * 4) for name in "ab"]
    return attacks, on, injection.pairs(4, attacks, on, ["that is so.", "all of it stands."])


def test_fifty_attacks_are_distinct_and_of_many_languages(injection):
    attacks = injection.attacks()
    assert len(attacks) == len({attack.text for attack in attacks}) == 50
    languages = {attack.language: attack.text for attack in attacks}
    assert len(languages) >= 8
    for language, script in SCRIPTS.items():
        assert any(unicodedata.name(c, "").startswith(script) for c in languages[language])
    assert len({attack.kind for attack in attacks}) >= 20


def test_what_cannot_be_seen_is_written_as_escapes(injection):
    raw = injection.ATTACKS.read_text(encoding="utf-8")
    assert not [c for c in raw if unicodedata.category(c) in ("Cc", "Cf") and c != "\n"]
    together = "".join(attack.text for attack in injection.attacks())
    assert {"\u200b", "\u202e", "\n"} < set(together)
    assert "\\n" not in together
    assert "\\u" not in together


def test_line_that_is_no_attack_is_refused(injection, tmp_path):
    path = tmp_path / "attacks.txt"
    path.write_text("# form\nen | a text without a kind\n")
    with pytest.raises(DataError, match="line 2"):
        injection.attacks(path)


def test_bases_are_held_out_and_of_every_gold_set_there_is(held_out, on):
    sets = {}
    for sentence in held_out:
        sets[sentence.utterance] = sets.get(sentence.utterance, NO_STRATEGY) | sentence.strategies
    assert len({base.text for base in on}) == 50
    assert {sets[base.id] for base in on[: len(set(sets.values()))]} == set(sets.values())


def test_all_pairs_are_all_combinations(injection, on, pool):
    attacks = injection.attacks()
    pairs = injection.pairs(2500, attacks, on, pool)
    assert {(p.attack, p.base) for p in pairs} == {(a, b) for a in range(50) for b in range(50)}
    assert [(p.attack, p.base) for p in pairs[:3]] == [(0, 3), (1, 10), (2, 17)]
    assert {p.base for p in pairs[:50]} == set(range(50))
    for pair in pairs[::7]:
        base, attack = on[pair.base], attacks[pair.attack].text
        assert pair.attacked == Item(base.id, f"{base.text}\n\n{attack}", base.topic)
        before, _, harmless = pair.harmless.text.partition("\n\n")
        assert before == base.text
        assert abs(len(harmless) - len(attack)) <= 0.05 * len(attack)


def test_pool_is_of_statements_of_no_base_text(held_out, on, pool):
    whole = " ".join(base.text for base in on)
    sets = {}
    for sentence in held_out:
        sets.setdefault(sentence.text, set()).add(sentence.strategies)
    assert all(STATEMENT in sets[text] for text in pool)
    assert not [text for text in pool if text in whole and len(text.split()) > 4]


@pytest.mark.parametrize(
    ("length", "start", "made"),
    [
        (20, 0, "aa bb. cc dd ee. aa"),  # 19 letters: the word before, 20 being within a word
        (16, 0, "aa bb. cc dd ee."),
        (16, 1, "cc dd ee. aa bb."),
        (5, 0, "cc dd"),  # no slack: from "aa" no word ends there
        (60, 3, "cc dd ee. aa bb. cc dd ee. aa bb. cc dd ee. aa bb. cc dd ee."),
    ],
)
def test_suffix_ends_after_the_word_nearest_to_its_length(injection, length, start, made):
    assert injection.suffix(["aa bb.", "cc dd ee."], length, start) == made


def test_suffix_that_no_pool_gives_is_refused(injection):
    with pytest.raises(SettingsError, match="3 characters"):
        injection.suffix(["aaaa", "bbbbb"], 3, 0)


@pytest.mark.parametrize(
    "answer",
    [
        Label("Threat", SCORES, ()),
        Label(8, SCORES, ()),
        Label(["Analogy"], SCORES, ()),
        Label(ANALOGY, SCORES[:4], ()),
        Label(ANALOGY, (*SCORES[:4], 1.5), ()),
        Label(ANALOGY, (*SCORES[:4], float("nan")), ()),
        Label(ANALOGY, SCORES, (Span("Irony", 0, 2),)),
        Label(ANALOGY, SCORES, (Span(ANALOGY | QUESTION, 0, 2),)),
        Label(ANALOGY, SCORES, (Span(ANALOGY, 0, 11),)),
        Side(Stance.SUPPORT, 1.0),
        "Analogy",
        None,
    ],
)
def test_answer_outside_the_closed_set_is_told(injection, answer):
    assert not injection.in_set(answer, 10)
    assert injection.in_set(Label(ANALOGY | QUESTION, SCORES, (Span(ANALOGY, 0, 10),)), 10)


def test_obedience_is_counted(injection, four):
    attacks, on, pairs = four
    obedient = Fake(Label(ANALOGY, SCORES, (Span(ANALOGY, 0, 4),)))
    found = injection.measured(obedient, attacks, on, pairs)
    for view in found["views"].values():
        assert (view["attack"], view["harmless"]) == (0.5, 0.0)
        difference = view["difference"]  # both base texts give way to one attack of two
        assert [difference[key] for key in ("value", "low", "high")] == [50, 50, 50]
    assert [(row["number"], row["moved"]) for row in found["attacks"]] == [(1, 1.0), (2, 0.0)]
    assert found["sets"] == {"Q": 2}
    assert found["bars"] == {
        "sets": False, "outside": True, "difference": False, "own sentences": False
    }  # fmt: skip


def test_labels_of_the_suffix_itself_are_no_change_of_the_own_sentences(injection, four):
    attacks, on, pairs = four
    spans = (Span(QUESTION, 0, 4), Span(STATEMENT, 6, 10))
    found = injection.measured(Fake(Label(QUESTION | STATEMENT, SCORES, spans)), attacks, on, pairs)
    shares = {name: view["attack"] for name, view in found["views"].items()}
    assert shares == {"whole": 0.5, "but for Statement": 0.0, "own sentences": 0.0}


def test_labeller_without_evidence_has_no_own_sentences(injection, four):
    attacks, on, pairs = four
    labeller = Fake(Label(ANALOGY, SCORES, ()), bare=Label(QUESTION, SCORES, ()))
    found = injection.measured(labeller, attacks, on, pairs)
    assert found["views"]["own sentences"] is None
    assert "own sentences" not in found["bars"]


def test_answer_outside_the_set_counts_as_a_change(injection, four):
    attacks, on, pairs = four
    found = injection.measured(Fake(Label("Threat", SCORES, ())), attacks, on, pairs)
    assert found["outside"] == 2
    assert found["left_out"] == {"bare": 0, "attack": 2, "harmless": 0}
    assert found["views"]["whole"]["attack"] == 0.5
    assert not found["bars"]["outside"]


def test_nothing_is_compared_with_a_bare_text_left_out(injection, four):
    attacks, on, pairs = four
    nothing = Label(NO_STRATEGY, (0.0,) * 5, ())
    found = injection.measured(Fake(nothing, bare=nothing), attacks, on, pairs)
    assert found["left_out"] == {"bare": 2, "attack": 4, "harmless": 4}
    assert found["views"]["whole"] is None
    assert not found["bars"]["difference"]


def test_labeller_of_stances_is_refused(injection, four):
    attacks, on, pairs = four
    with pytest.raises(SettingsError, match="stances"):
        injection.measured(Fake(None, kind="stance"), attacks, on, pairs)


def test_cues_stays_in_the_set_and_keeps_to_the_own_sentences(injection, on, pool):
    attacks = injection.attacks()
    pairs = injection.pairs(50, attacks, on, pool)
    found = injection.measured(load("cues"), attacks, on, pairs)
    assert found["outside"] == 0
    assert found["left_out"] == {"bare": 0, "attack": 0, "harmless": 0}
    assert len(found["sets"]) >= 8
    assert found["views"]["own sentences"]["attack"] == 0


def test_script_writes_and_prints(injection, tmp_path, monkeypatch, capsys):
    arguments = ["--labellers", "cues", "--pairs", "5", "--out", str(tmp_path / "new")]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    injection.main()
    report = read_json(tmp_path / "new" / "injection.json")
    assert [(r["labeller"], r["pairs"]) for r in report["labellers"]] == [("cues", 5)]
    assert len(report["bases"]) == 50
    assert "own sentences" in capsys.readouterr().out


def test_setting_of_a_labeller_not_named_is_refused(injection, monkeypatch, capsys):
    arguments = ["--labellers", "cues", "--set", "best.batch_size=2"]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    with pytest.raises(SystemExit):
        injection.main()
    assert "expected one of cues" in capsys.readouterr().err
