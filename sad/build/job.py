"""What a worker must know of a build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sad.build import authors, takedown
from sad.build.settings import BuildSettings
from sad.build.sources import Source


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

    def author_key(self) -> bytes:
        """The key of the speaker hashes."""
        return self.key if isinstance(self.key, bytes) else authors.read_key(self.key, self.out)

    def takedowns(self) -> frozenset[str]:
        """The entries of the takedown list."""
        listed = self.taken_down
        return listed if isinstance(listed, frozenset) else takedown.read(listed)
