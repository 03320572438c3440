"""What a worker must know of a build."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from sad.build import authors, takedown
from sad.build.settings import BuildSettings
from sad.build.sources import Source
from sad.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Job:
    """A build: from where, how, and to where.

    Secrets may be given as the file that holds them: Slurm and Ray leave the job on a disk.
    """

    source: Source
    settings: BuildSettings
    out: Path
    work: Path  # where the stages leave their results
    key: bytes | Path
    taken_down: frozenset[str] | Path | None
    digests: dict[str, str]  # of the author key and the takedown list, as the build began

    def author_key(self) -> bytes:
        """The key of the speaker hashes.

        Raises:
            DataError: its file is not there.
            SettingsError: it is not the one that the build began with.
        """
        key = self.key if isinstance(self.key, bytes) else authors.read_key(self.key, self.out)
        self._require("author_key", authors.key_digest(key))
        return key

    def takedowns(self) -> frozenset[str]:
        """The entries of the takedown list.

        Raises:
            SettingsError: it is not the one that the build began with.
        """
        listed = entries(self.taken_down)
        self._require("takedown", listed_digest(listed, self.author_key()))
        return listed

    def _require(self, name: str, digest: str) -> None:
        if self.digests[name] != digest:
            what = name.replace("_", " ")
            raise SettingsError(f"the {what} has changed since the build began; put it back")


def entries(taken_down: frozenset[str] | Path | None) -> frozenset[str]:
    """The entries of a takedown list, or of the file that holds them."""
    return taken_down if isinstance(taken_down, frozenset) else takedown.read(taken_down)


def listed_digest(listed: frozenset[str], key: bytes) -> str:
    """A digest that tells whether two builds used the same takedown list.

    It is keyed: of a short list a bare one could be guessed.
    """
    return hmac.new(key, "\n".join(sorted(listed)).encode(), hashlib.sha256).hexdigest()[:16]
