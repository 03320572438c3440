"""Importers: one module per source form, each with ``read(path) -> (tables, counts)``."""

from __future__ import annotations

from pathlib import Path

from sad import plugins
from sad.build.frames import write_threads
from sad.errors import SettingsError


def run(form: str, source: Path, out: Path) -> dict[str, int]:
    """Import ``source`` of the form ``form`` into the thread folder ``out``; what was counted.

    Raises:
        SettingsError: there is no such form, or ``out`` is not empty.
        DataError: the source is not of that form.
    """
    module = plugins.load(__name__, form)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingsError(f"{out} is not an empty folder; choose another --out")
    tables, counts = module.read(source)
    write_threads(out, tables)
    return dict(counts)
