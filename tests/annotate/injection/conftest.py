"""The scripts of the injection test, and the texts that both test files start from."""

import importlib
import sys
from pathlib import Path

import pytest

from annotate import training

FOLDER = Path(__file__).parents[3] / "scripts" / "perf"


@pytest.fixture(scope="module")
def injection():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("injection")
        for name in ("injection", "injected"):
            sys.modules.pop(name)


@pytest.fixture(scope="module")
def injected(injection):
    return sys.modules["injected"]


@pytest.fixture(scope="module")
def held_out():
    return [sentence for sentence in training.load() if training.held_out(sentence)]


@pytest.fixture(scope="module")
def on(injected, held_out):
    return injected.bases(held_out)


@pytest.fixture(scope="module")
def pool(injected, held_out, on):
    return injected.statements(held_out, on)
