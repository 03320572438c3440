import importlib
import pkgutil

import pytest

import annotate
import benchmarks
import sad
from sad.build.settings import BuildSettings, preset
from sad.errors import SettingsError
from sad.settings import Settings, assign, merge, read_yaml


def test_all_errors_are_told_at_once():
    with pytest.raises(SettingsError) as error:
        BuildSettings.parse(
            {"min_words": -1, "max_stopword_share": 2, "nonsense": 1, "drop": ["x"]}
        )
    for name in ("min_words", "max_stopword_share", "nonsense"):
        assert name in str(error.value)


def test_unknown_rule_is_refused_with_the_known_ones():
    with pytest.raises(SettingsError, match=r"unknown \['x'\].*short"):
        BuildSettings.parse({"drop": ["x"]})


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("min_words=12", ("min_words",), 12),
        ("window=null", ("window",), None),
        ("window.since=2015-01-01", ("window", "since"), "2015-01-01"),
        ("split.salt=x=y", ("split", "salt"), "x=y"),
        ("drop=[short, bot]", ("drop",), ["short", "bot"]),
    ],
)
def test_set_reaches_into_groups(assignment, path, value):
    values = BuildSettings.parse(assign(preset("paper").dump(), [assignment])).dump()
    for name in path:
        values = values[name]
    assert values == value


@pytest.mark.parametrize("assignment", ["min_words", "=3", "min_words.deep=1", "drop=[unclosed"])
def test_bad_assignment_is_refused(assignment):
    with pytest.raises(SettingsError):
        assign(preset("paper").dump(), [assignment])


def test_yaml_round_trip(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(preset("none").to_yaml())
    assert BuildSettings.parse(read_yaml(path)) == preset("none")


def test_merge_keeps_what_is_not_said():
    assert merge({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}}) == {
        "a": {"b": 9, "c": 2},
        "d": 3,
    }


def _all_settings():
    for package in (sad, annotate, benchmarks):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if ".tasks" not in module.name:
                importlib.import_module(module.name)
    found, todo = set(), [Settings]
    while todo:
        todo += (new := [c for c in todo.pop().__subclasses__() if c not in found])
        found |= set(new)
    return found


def test_every_default_says_its_source():
    silent = [
        f"{model.__name__}.{name}"
        for model in _all_settings()
        for name, field in model.model_fields.items()
        if "Source:" not in (field.description or "")
    ]
    assert not silent
