"""The random numbers of a start, which decide where the goal and the objects are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rlvla.core.types import Start


def generator(start: Start) -> np.random.Generator:
    """Return the random numbers that belong to `start`.

    All of it is spelt out as the seed's entropy, so that starts which differ in any part, the
    split among them, share no stream. The package has no list of published starts: its own
    evaluation draws them from the same distribution under a seed of one's choice.
    """
    text = f"metaworld 1 {start.split} {start.seed} {start.index} {start.task}"
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(list(text.encode()))))
