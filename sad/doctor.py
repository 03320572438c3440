"""What is installed, what is missing, what clashes."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from importlib.util import find_spec
from pathlib import Path

from sad import models
from sad.files import cache_dir

_OURS = ("sad", "annotate", "benchmarks", "baselines")
_EXTRAS = ("hf", "labels", "eval", "dev")


def report() -> Iterator[str]:
    """The lines of the report."""
    yield f"sad-dialogue {version('sad-dialogue')}, Python {platform.python_version()}"
    for package in _required(""):
        yield f"  {_versioned(package)}"
    for extra in _EXTRAS:
        found = [_versioned(package) for package in _required(extra)]
        lacks = any("MISSING" in line for line in found)
        hint = f"; install with: pip install -e '.[{extra}]'" if lacks else ""
        yield f"extra [{extra}]: {', '.join(found)}{hint}"
    yield f"cache: {cache_dir()}"
    for name in models.MODELS:
        folder = models.path(name)
        fetched = (folder / "config.json").exists()
        state = str(folder) if fetched else f"not fetched: sad models fetch {name}"
        yield f"model {name} ({models.MODELS[name].licence}): {state}"
    yield from clashes()
    yield f"GPU: {_gpu()}"


def clashes() -> Iterator[str]:
    """One line per import name of ours that is taken by something else, or one that all is well."""
    home = Path(__file__).resolve().parent.parent
    owners = packages_distributions()
    fine = True
    for name in _OURS:
        spec = find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is None or origin.parent.parent != home:
            fine = False
            yield f"CLASH: 'import {name}' gives {origin}, not ours; remove the other package"
        others = sorted(set(owners.get(name, [])) - {"sad-dialogue"})
        if others:
            fine = False
            yield f"CLASH: {', '.join(others)} also installs a package named {name!r}"
    if fine:
        yield f"import names {', '.join(_OURS)}: ours"


def _required(extra: str) -> list[str]:
    """The packages that the base (``""``) or an extra names, without those of other extras."""
    names = []
    for requirement in requires("sad-dialogue") or []:
        name, _, marker = requirement.partition(";")
        of_extra = f'extra == "{extra}"' in marker if extra else "extra ==" not in marker
        if of_extra and not name.startswith("sad-dialogue"):
            names.append(re.split(r"[\s<>=!\[(]", name.strip())[0])
    return sorted(names)


def _versioned(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} MISSING"


def _gpu() -> str:
    if shutil.which("nvidia-smi") is None:
        return "none found (nvidia-smi is not there)"
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return done.stdout.strip().replace("\n", "; ") or "none found"
