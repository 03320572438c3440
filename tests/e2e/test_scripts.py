"""The scripts of the README, as far as one test run can use the environment it runs in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sad.files import read_json

ROOT = Path(__file__).parents[2]


@pytest.mark.model
def test_quickstart_twice(smollm2, tmp_path):
    """The real script with the real model on one document per task; the second run only reads."""
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("the tests do not run in the .venv that scripts/install makes")
    cache = smollm2.parents[1]
    env = os.environ | {"SAD_OUT": str(tmp_path / "q"), "SAD_LIMIT": "1", "SAD_CACHE": str(cache)}
    scores = []
    for _ in range(2):
        done = subprocess.run(
            [ROOT / "scripts" / "quickstart"], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        scores.append((tmp_path / "q" / "smollm2" / "scores.json").read_bytes())
    assert "Running loglikelihood" not in done.stderr
    assert scores[0] == scores[1]
    record = read_json(tmp_path / "q" / "smollm2" / "scores.json")
    assert {score["labels"] for score in record["scores"]} == {
        "stance:majority(simulated x5); strategies:majority(simulated x5)"
    }
    page = (tmp_path / "q" / "report.html").read_text()
    assert "<svg" in page
    assert "majority(simulated x5)" in page


@pytest.mark.parametrize("script", ["quickstart", "test", "check", "install"])
def test_scripts_are_shell_that_parses(script):
    path = ROOT / "scripts" / script
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", path], check=True)


def test_ci_fails_without_the_real_data(tmp_path):
    (tmp_path / "main" / ".ci").mkdir(parents=True)
    script = tmp_path / "main" / ".ci" / "run"
    script.write_bytes((ROOT / ".ci" / "run").read_bytes())
    done = subprocess.run(["bash", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no real data" in done.stderr
