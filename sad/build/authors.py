"""Author names leave a build only as keyed hashes."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import polars as pl

from sad.errors import DataError, SettingsError

SAMPLE_KEY = b"the sample's authors are invented, so this key is public"
DEFAULT_KEY_FILE = Path("~/.config/sad/author.key")


def read_key(path: Path | None, out: Path) -> bytes:
    """The key in ``path`` (default ``~/.config/sad/author.key``), made once if missing.

    Raises:
        SettingsError: the key would lie inside the output folder, or others may read it.
        DataError: the key file is empty or cannot be read.
    """
    path = (path or DEFAULT_KEY_FILE).expanduser()
    if path.resolve().is_relative_to(out.resolve()):
        raise SettingsError(f"--author-key {path}: keep the key outside the output folder {out}")
    if not path.exists():
        _make(path)
    try:
        key = path.read_bytes().strip()
        exposed = path.stat().st_mode & 0o077
    except OSError as error:
        raise DataError(path, f"the author key cannot be read ({error.strerror})") from None
    if exposed:
        raise SettingsError(f"{path}: others may read the author key; run: chmod 600 {path}")
    if len(key) < 16:
        raise DataError(path, "the author key is shorter than 16 bytes; give another file")
    return key


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
    except OSError as error:
        raise DataError(path, f"the author key cannot be made ({error.strerror})") from None


def key_digest(key: bytes) -> str:
    """A digest that tells whether two builds used the same key, and nothing else of it."""
    return hmac.new(key, b"sad author key", hashlib.sha256).hexdigest()[:16]


def speakers(authors: pl.Series, key: bytes) -> pl.Series:
    """HMAC-SHA-256 (16 hex digits) of each author; null stays null."""
    names = authors.drop_nulls().unique().to_list()
    hashed = {n: hmac.new(key, n.encode(), hashlib.sha256).hexdigest()[:16] for n in names}
    return authors.replace_strict(hashed, default=None, return_dtype=pl.String)
