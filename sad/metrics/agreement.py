"""Agreement between annotators."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def fleiss_kappa(table: ArrayLike) -> float:
    """Fleiss' kappa of ``table`` [N, classes]: how many raters put item i into class j.

    1.0 where everybody always chose the same class. Source: specification 11.4.

    Raises:
        ValueError: the items have different numbers of raters, or fewer than two.
    """
    counts = np.asarray(table, np.float64)
    raters = counts.sum(axis=1)
    if counts.ndim != 2 or not len(counts) or (raters != raters[0]).any() or raters[0] < 2:
        raise ValueError("every item needs the same number of raters, two at least")
    n = raters[0]
    observed = ((counts**2).sum(axis=1) - n).mean() / (n * (n - 1))
    expected = float(((counts.sum(axis=0) / counts.sum()) ** 2).sum())
    return 1.0 if expected >= 1.0 else float((observed - expected) / (1 - expected))
