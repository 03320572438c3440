"""The stages of a build, in order."""

from __future__ import annotations

from sad.build import choose, partition, trees, write

IN_ORDER = (partition.read_stage, partition.plan_stage, trees.stage, choose.stage, write.stage)
"""Each makes its stage from the job, and may read what the stages before it left."""
