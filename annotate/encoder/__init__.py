"""A transformer with one sigmoid per label: its network, its training, its calibration.

N is the number of texts, T of tokens, H the width of the backbone, L the number of labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sad.errors import MissingExtraError

if TYPE_CHECKING:
    from annotate.encoder.use import Trained


def trained(folder: Path, batch_size: int) -> Trained:
    """The encoder in ``folder``, ready to label.

    Raises:
        MissingExtraError: torch is not installed.
        ModelError: the folder holds no encoder, or a damaged one.
    """
    try:
        from annotate.encoder.use import Trained
    except ImportError:
        raise MissingExtraError("labels", "torch") from None
    return Trained(folder, batch_size)
