"""Which episode a start names: a function of the start alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from rlvla.plugins.simulators.maniskill.protocols import TRIALS

if TYPE_CHECKING:
    from rlvla.core.types import Start

MEASURED = 17
"""Every so manieth number of a task belongs to its evaluation. It divides none of the numbers of
objects, tables, places and turns that a number is made of, so that all of each are measured."""
STRIDE = 1_000_003
"""A prime: its multiples go through all numbers before one comes again."""


def seed(start: Start) -> int:
    """Return the seed of a start, 31 bits: even for training, odd for evaluation."""
    return 2 * (_digest(start) % 2**30) + (start.split == "eval")


def published(start: Start) -> int:
    """Return which of a task's published episodes is meant; raise ValueError for training."""
    if start.split == "train":
        raise ValueError(
            f"all {TRIALS} episodes of {start.task} are measured, so that it cannot be trained on"
        )
    return start.index % TRIALS


def number(start: Start, total: int) -> int:
    """Return the number of an episode below `total`; those of evaluation are only its own.

    Evaluation goes through its numbers in a scattered order, each once before any comes again.
    """
    if start.split == "eval":
        return MEASURED * (start.index * STRIDE % (total // MEASURED))
    blocks, others = total // MEASURED, MEASURED - 1
    block, rest = divmod(_digest(start) % (blocks * others), others)
    return MEASURED * block + 1 + rest


def _digest(start: Start) -> int:
    text = f"maniskill 1 {start.split} {start.seed} {start.index} {start.task}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
