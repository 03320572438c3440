"""Importers: one module per source form, each with ``read(path) -> (tables, counts)``."""

from __future__ import annotations

from pathlib import Path

from sad import plugins
from sad.build.frames import write_threads
from sad.errors import DataError
from sad.files import atomic_folder


def run(form: str, source: Path, out: Path) -> dict[str, int]:
    """Import ``source`` of the form ``form`` into the thread folder ``out``; what was counted.

    Raises:
        SettingsError: there is no such form, or ``out`` is not empty.
        DataError: the source is not of that form.
    """
    module = plugins.load(__name__, form)
    with atomic_folder(out) as temporary:
        try:
            tables, counts = module.read(source)
        except OSError as error:
            where = error.filename or source
            raise DataError(where, f"cannot be read ({error.strerror or error})") from None
        write_threads(temporary, tables)
    return dict(counts)
