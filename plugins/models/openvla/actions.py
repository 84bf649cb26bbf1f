"""Actions as numbers in [-1, 1] and as tokens: 256 bins of them per dimension."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvla.plugins.models.openvla.presets import BINS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rlvla.core.types import SimulatorSpec

EDGES = np.linspace(-1.0, 1.0, BINS)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2
"""255 centres: the two highest bins share one, as published."""


@dataclass(frozen=True)
class Statistics:
    """The range that [-1, 1] stands for, per dimension; float64 [D]."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mask: NDArray[np.bool_]
    """False where the number itself is in [-1, 1] (the gripper)."""
    epsilon: float = 0.0
    """What is added to the range on both ways."""

    @staticmethod
    def of_simulator(spec: SimulatorSpec) -> Statistics:
        """Return the bounds of the simulator's actions; raise ValueError if there are none."""
        low, high = np.asarray(spec.action_low), np.asarray(spec.action_high)
        if not np.isfinite(high - low).all():
            raise ValueError(
                "statistics need a checkpoint that has some, or a simulator with finite bounds "
                "of its actions"
            )
        return Statistics(low, high, np.ones(spec.action_dim, np.bool_))

    @staticmethod
    def of_dataset(
        entry: Mapping[str, Any], bounds: tuple[str, str] = ("q01", "q99")
    ) -> Statistics:
        """Return what a checkpoint's `norm_stats[name]` says of actions or proprioception."""
        low, high = (np.asarray(entry[name], np.float64) for name in bounds)
        return Statistics(low, high, np.asarray(entry.get("mask", [True] * len(low)), np.bool_))

    def plain(
        self, bounds: tuple[str, str] = ("q01", "q99")
    ) -> dict[str, list[float] | list[bool]]:
        """Return what `of_dataset` reads."""
        low, high = bounds
        return {low: self.low.tolist(), high: self.high.tolist(), "mask": self.mask.tolist()}

    def widened(self, epsilon: float) -> Statistics:
        """Return the same range with `epsilon` added."""
        return replace(self, epsilon=epsilon)

    def unit(self, numbers: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return numbers [..., D] on the scale of [-1, 1]; outside the range is its edge."""
        span = self.high - self.low + self.epsilon
        unit = 2 * (numbers - self.low) / np.where(span > 0, span, 1.0) - 1
        return np.clip(np.where(self.mask, unit, numbers), -1.0, 1.0)

    def restore(self, unit: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the numbers [..., D] that numbers in [-1, 1] stand for."""
        span = self.high - self.low + self.epsilon
        return np.where(self.mask, 0.5 * (unit + 1) * span + self.low, unit)


def tokens_of(
    action: NDArray[np.floating[Any]], statistics: Statistics, vocabulary: int
) -> NDArray[np.int64]:
    """Return the token ids [..., D] of actions [..., D]; outside the range is its edge."""
    bins: NDArray[np.int64] = np.digitize(statistics.unit(action), EDGES).astype(np.int64)
    return vocabulary - bins


def actions_of(
    tokens: NDArray[np.int64], statistics: Statistics, vocabulary: int
) -> NDArray[np.float64]:
    """Return the actions [..., D] that token ids [..., D] stand for."""
    return statistics.restore(CENTRES[np.clip(vocabulary - tokens - 1, 0, BINS - 2)])
