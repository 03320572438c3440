"""Loading SAD as Hugging Face datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sad.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from datasets import DatasetDict


def load(source: str | Path = "sample", table: str | None = None) -> DatasetDict:
    """The splits of ``source``: the labelled ``"sample"``, a built folder, or a hub id.

    Args:
        source: ``"sample"``, the path of a built folder, or ``owner/name`` on the hub.
        table: ``examples`` (the default of a labelled folder), ``dialogues`` or ``utterances``.

    Raises:
        MissingExtraError: ``datasets`` is not installed.
        DataError: the folder is no finished build, or holds no such table.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("hf", "datasets") from None
    if source == "sample":
        from sad.sample import labelled_folder

        source = labelled_folder()
    path = Path(source)
    if path.is_dir():
        from sad.build.folder import is_labelled, require_built

        require_built(path)
        if table == "examples" and not is_labelled(path):
            raise DataError(path, "has no examples yet; label it with 'sad annotate'")
    elif "/" not in str(source) or path.is_absolute():
        raise DataError(path, "is not a folder; make one with 'sad build --out'")
    return datasets.load_dataset(str(source), table)
