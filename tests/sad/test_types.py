import subprocess
import sys

import pytest

from sad.types import STRATEGY_LABELS, Strategy


@pytest.mark.parametrize("mask", range(32))
def test_every_set_survives_its_label_list(mask):
    assert Strategy.from_labels(Strategy(mask).labels()).value == mask


def test_labels_come_in_canonical_order():
    assert STRATEGY_LABELS == ("Question", "Causality", "Example", "Analogy", "Statement")
    assert (Strategy.STATEMENT | Strategy.QUESTION).labels() == ["Question", "Statement"]


def test_unknown_label_names_the_five():
    with pytest.raises(
        ValueError, match=r"Threat.*Question, Causality, Example, Analogy, Statement"
    ):
        Strategy.from_labels(["Threat"])


@pytest.mark.parametrize(
    "package",
    ["sad", "sad.types", "sad.cli", "annotate", "annotate.cli", "benchmarks", "benchmarks.cli"],
)
def test_import_is_light(package):
    heavy = "{'torch', 'spacy', 'datasets', 'transformers', 'argilla', 'lm_eval', 'matplotlib'}"
    code = f"import sys, {package}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
