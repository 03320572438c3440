"""Author names leave a build only as keyed hashes."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import polars as pl
import polars_hash as plh

from sad.errors import DataError, SettingsError

SAMPLE_KEY = b"the sample's authors are invented, so this key is public"
DEFAULT_KEY_FILE = Path("~/.config/sad/author.key")


def key_file(path: Path | None) -> Path:
    """``path``, by default ``~/.config/sad/author.key``."""
    return (path or DEFAULT_KEY_FILE).expanduser().absolute()


def read_key(path: Path, out: Path, *, make: bool = False) -> bytes:
    """The key in ``path``; with ``make`` it is made if it is missing.

    Raises:
        SettingsError: the key would lie inside the output folder, or others may read it.
        DataError: the key file is empty or cannot be read.
    """
    if path.resolve().is_relative_to(out.resolve()):
        raise SettingsError(f"--author-key {path}: keep the key outside the output folder {out}")
    if make and not path.exists():
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
    names = authors.drop_nulls().unique()
    try:
        hashed = names.to_frame("name").select(
            plh.col("name").chash.hmac_sha256(key=key.decode()).str.head(16)
        )
        digests = hashed.to_series()
    except UnicodeDecodeError:  # the fast way takes a key of text only
        digests = pl.Series([_hmac(key, name) for name in names], dtype=pl.String)
    return authors.replace_strict(names, digests, default=None, return_dtype=pl.String)


def _hmac(key: bytes, name: str) -> str:
    return hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:16]
