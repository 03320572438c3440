"""Writing files so that a kill at any moment leaves either the old file or the new one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sad.errors import DataError, SettingsError

TEMPORARY = ".sad-tmp"
"""The ending of files that are still being written."""


@contextmanager
def atomic(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """A temporary path beside ``path``; on success it is flushed to disk and renamed to ``path``.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=TEMPORARY, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(mode)
        flush(temporary)
        temporary.replace(path)
        flush(path.parent)
    except OSError as error:
        raise DataError(path, _refusal(error)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path``; on success it is flushed and renamed to ``path``.

    Raises:
        SettingsError: ``path`` is a file or holds something.
        DataError: the disk is full or the folder cannot be written.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise SettingsError(f"{path} is not an empty folder; choose another --out")
    with told_errors(path):
        temporary = temporary_folder(path)
        try:
            yield temporary
            settle(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def told_errors(path: Path) -> Iterator[None]:
    """What the system refuses while ``path`` is made becomes a ``DataError``."""
    try:
        yield
    except OSError as error:
        raise DataError(error.filename or path, _refusal(error)) from error


def _refusal(error: OSError) -> str:
    reason = error.strerror or " ".join(str(error).split())
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"cannot be written ({reason}); free the disk or choose another folder"
    return f"cannot be read or written ({reason})"


def temporary_folder(path: Path) -> Path:
    """A new folder beside ``path``, of a name of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=TEMPORARY, dir=path.parent))


def settle(temporary: Path, path: Path) -> None:
    """Rename the folder ``temporary`` to ``path`` when all in it is on the disk.

    A folder that is at ``path`` already stays: it was made of the same.
    """
    # At once, so that the file system commits them together.
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(flush, temporary.rglob("*")))
    temporary.chmod(0o755)
    try:
        temporary.replace(path)
    except OSError:
        if not path.is_dir():
            raise
    flush(path.parent)


def remove(path: Path) -> None:
    """Remove a folder so that a kill at any moment leaves all of it or nothing at ``path``."""
    if not path.is_dir():
        return
    going = temporary_folder(path) / path.name
    path.replace(going)
    flush(path.parent)
    shutil.rmtree(going.parent)


def move(files: Iterable[tuple[Path, Path]]) -> None:
    """Rename each (from, to), and wait until the new names are on the disk.

    Files that were moved before are left alone.

    Raises:
        DataError: a file is in neither place.
    """
    folders = set()
    for old, new in files:
        if old.exists():
            new.parent.mkdir(parents=True, exist_ok=True)
            old.replace(new)
        elif not new.exists():
            raise DataError(old, "is missing; start over with --fresh")
        folders.add(new.parent)
    for folder in folders:
        flush(folder)


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path``, all or nothing."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path``, all or nothing."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """The JSON value in the file at ``path``.

    Raises:
        DataError: the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(path, f"cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(path, f"is not JSON ({error})") from None


def cache_dir() -> Path:
    """Where models and the labelled sample are kept: ``$SAD_CACHE``, else ``~/.cache/sad``."""
    return Path(os.environ.get("SAD_CACHE") or Path.home() / ".cache" / "sad")


def sha256(path: Path) -> str:
    """SHA-256 (hex) of the bytes of ``path``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
