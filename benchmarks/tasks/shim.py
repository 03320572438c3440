"""What the task files beside this one name with ``!function shim.NAME``.

lm-eval loads this file by its path, so the names are looked up in the installed package.
"""

from typing import Any

from benchmarks import data, prompts, scoring


def __getattr__(name: str) -> Any:
    """``name`` in the loaders, prompts and scorers, or the metric of that name."""
    if name in scoring.METRICS:
        return scoring.METRICS[name]
    for module in (data, prompts, scoring):
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(name)
