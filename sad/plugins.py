"""A folder is a registry: every module in a package is one plug-in, named after its file."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from sad.errors import SettingsError


def names(package: str) -> list[str]:
    """The plug-ins of ``package``, sorted; nothing is imported but the package itself."""
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise SettingsError(f"{package} is not a package, so it has no plug-ins")
    found = pkgutil.iter_modules(spec.submodule_search_locations)
    return sorted(module.name for module in found if not module.name.startswith("_"))


def describe(module: str) -> str:
    """The first docstring line of ``module``, read without importing it ("" if it has none)."""
    try:
        spec = find_spec(module)
        source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        docstring = ast.get_docstring(ast.parse(source)) or ""
    except (ImportError, OSError, SyntaxError):
        return ""
    return docstring.partition("\n")[0]


def load(package: str, name: str) -> ModuleType:
    """The module of plug-in ``name``.

    Raises:
        SettingsError: there is no such plug-in; the message lists those there are.
    """
    known = names(package)
    if name not in known:
        kind = package.rpartition(".")[2].removesuffix("s")
        raise SettingsError(f"no {kind} {name!r}; there are: {', '.join(known)}")
    return importlib.import_module(f"{package}.{name}")
