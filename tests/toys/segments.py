"""Made-up segments, and the same as the flat transitions that other libraries take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlvla.plugins.algorithms.steps import Steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array, Arrays


@dataclass(frozen=True)
class Made:
    """A segment whose episodes end in all ways, with values [L, V] and ratios [L, V]."""

    segment: dict[str, Array]
    value: NDArray[np.float64]
    bootstrap: NDArray[np.float64]
    ratio: NDArray[np.float64]

    def steps(self, gamma: float) -> Steps:
        return Steps.of(self.segment, self.value, self.bootstrap, gamma=gamma)


def made(*, seed: int, length: int, chunk: int = 1, width: int = 1, cut: bool = True) -> Made:
    """Return a segment; without `cut` its episodes end by termination alone."""
    random = np.random.default_rng(seed)
    shape = (length, chunk)
    valid, kind = np.ones(shape, np.bool_), random.integers(0, 5, length)
    terminated, truncated = np.zeros((2, *shape), np.bool_)
    for row in np.flatnonzero(kind > 2):
        last = int(random.integers(chunk))
        (truncated if cut and kind[row] == 3 else terminated)[row, last] = True
        valid[row, last + 1 :] = False
    flags = {"terminated": terminated, "truncated": truncated, "valid": valid}
    reward = np.where(valid, random.normal(size=shape), 0.0)
    value, bootstrap, log_ratio = random.normal(size=(3, length, width))
    return Made({"reward": reward, **flags}, value, bootstrap, np.exp(log_ratio))


def following(segment: Arrays, value: Array, bootstrap: Array) -> NDArray[np.float64]:
    """Return V(s') of decisions of one action, [L, 1]: by hand, one after the other."""
    over = segment["terminated"] | segment["truncated"]
    rows = [
        bootstrap[row] if over[row, 0] or row + 1 == len(value) else value[row + 1]
        for row in range(len(value))
    ]
    return np.stack(rows)
