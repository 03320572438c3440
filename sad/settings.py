"""Settings: strict models that read and write YAML and report all their errors at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from sad.errors import SettingsError


class Settings(BaseModel):
    """A strict, frozen set of settings.

    Every field of a subclass says in its description where its default comes from
    (``Source: ...``); a test holds them to it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, where: str = "settings") -> Self:
        """The settings in ``values``, with defaults for what is not said.

        Raises:
            SettingsError: one line that names every field that does not validate.
        """
        try:
            return cls.model_validate_json(_json(values, where))
        except ValidationError as error:
            faults = (
                f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors()
            )
            raise SettingsError(f"{where}: {'; '.join(faults)}") from None

    def dump(self) -> dict[str, Any]:
        """The settings as plain JSON values, every default resolved."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """The resolved settings as YAML, fields in the order of the model."""
        return yaml.safe_dump(self.dump(), sort_keys=False, allow_unicode=True)

    def digest(self) -> str:
        """SHA-256 (hex) of the resolved settings."""
        return hashlib.sha256(json.dumps(self.dump(), sort_keys=True).encode()).hexdigest()


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in the YAML file at ``path``.

    Raises:
        SettingsError: the file cannot be read or is not a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path}: cannot be read as YAML ({reason})") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: expected 'name: value' lines, found {type(values).__name__}")
    return values


def assign(values: dict[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """A copy of ``values`` with each ``a.b=3`` of ``assignments`` applied; values are YAML.

    Raises:
        SettingsError: an assignment has no ``=``, no name, or enters something not a mapping.
    """
    result: dict[str, Any] = json.loads(_json(values, "settings"))
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise SettingsError(f"--set {assignment}: expected NAME=VALUE, such as min_words=12")
        *parents, last = name.strip().split(".")
        here = result
        for parent in parents:
            if here.get(parent) is None:
                here[parent] = {}
            here = here[parent]
            if not isinstance(here, dict):
                raise SettingsError(f"--set {assignment}: {parent} is a value, not a group")
        try:
            here[last] = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError):
            raise SettingsError(f"--set {assignment}: {text!r} is not a YAML value") from None
    return result


def _json(values: Mapping[str, Any], where: str) -> str:
    try:
        return json.dumps(values, default=str)
    except (ValueError, RecursionError):
        raise SettingsError(f"{where}: a group contains itself") from None


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the values of ``over`` in place, groups merged key by key."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = merge(below, value) if both else value  # type: ignore[arg-type]
    return result
