"""Everything this project raises on purpose.

    SadError                 1
    ├── SettingsError        3   settings that do not validate, a folder made with others
    ├── DataError            4   input that cannot be read: path, line, field
    │   ├── LabelError       4   a label or vote outside the closed set
    │   └── HandoverError    4   a file that a system hands to a task is not of its form
    ├── ModelError           4   weights that are missing, damaged or of another digest
    ├── WorkerError          4   a process of a build failed elsewhere, or was killed
    └── MissingExtraError    5   an optional dependency is not installed

The number is the exit code of the command line. A message says what is wrong, where, what to do.
"""

from __future__ import annotations

from functools import partial
from os import PathLike
from typing import Any


class SadError(Exception):
    """The root of the tree: whatever a caller may want to catch from this project."""

    exit_code = 1


class SettingsError(SadError):
    """Settings do not validate, or a folder was made with other settings."""

    exit_code = 3


class DataError(SadError):
    """Input cannot be used.

    Args:
        path: the file or folder.
        message: what is wrong and what to do.
        line: 1-based line number, where there is one.
        field: the column or key, where there is one.
    """

    exit_code = 4

    def __init__(
        self,
        path: str | PathLike[str],
        message: str,
        *,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        self.path, self.message, self.line, self.field = str(path), message, line, field
        where = self.path + (f", line {line}" if line else "") + (f", {field}" if field else "")
        super().__init__(f"{where}: {message}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers send their errors to the parent process.
        rest = {"line": self.line, "field": self.field}
        return partial(type(self), **rest), (self.path, self.message)  # type: ignore[arg-type]


class LabelError(DataError):
    """A label or vote is outside the closed set."""


class HandoverError(DataError):
    """A hand-over file (run, bank, steering) is not of its form."""


class ModelError(SadError):
    """Model weights are missing, damaged, or not the ones expected."""

    exit_code = 4


class WorkerError(SadError):
    """A process of a build failed elsewhere, or was killed.

    Args:
        message: what happened and what to do.
        exit_code: that of the error that the process met.
    """

    exit_code = 4

    def __init__(self, message: str, exit_code: int = 4) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class MissingExtraError(SadError):
    """An optional dependency is needed and not installed."""

    exit_code = 5

    def __init__(self, extra: str, package: str) -> None:
        self.extra, self.package = extra, package
        super().__init__(
            f"{package} is not installed; it comes with the extra sad-dialogue[{extra}] "
            f"(in a checkout: pip install -e '.[{extra}]')"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.extra, self.package)
