"""The random numbers of a start, which decide where everything is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rlvla.core.types import Start


def seed_of(start: Start) -> int:
    """Return the seed that belongs to `start`, of 64 bits: odd for training, even for evaluation.

    All of the start is spelt out as entropy, and no seed is ever both trained on and measured.
    """
    text = f"robosuite 1 {start.split} {start.seed} {start.index} {start.task}"
    drawn = np.random.SeedSequence(list(text.encode())).generate_state(1, np.uint64)
    return (int(drawn[0]) & ~1) | (start.split == "train")
