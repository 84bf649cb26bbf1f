"""Actions as tokens: 256 bins over [-1, 1] per dimension, between the 1st and 99th percentile."""

from __future__ import annotations

from dataclasses import dataclass
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

    q01: NDArray[np.float64]
    q99: NDArray[np.float64]
    mask: NDArray[np.bool_]
    """False where the action itself is in [-1, 1] (the gripper)."""

    @staticmethod
    def of_simulator(spec: SimulatorSpec) -> Statistics:
        """Return the bounds of the simulator's actions."""
        mask = np.ones(spec.action_dim, np.bool_)
        return Statistics(np.asarray(spec.action_low), np.asarray(spec.action_high), mask)

    @staticmethod
    def of_dataset(entry: Mapping[str, Any]) -> Statistics:
        """Return what a checkpoint's `norm_stats[name]["action"]` says."""
        q01, q99 = np.asarray(entry["q01"], np.float64), np.asarray(entry["q99"], np.float64)
        return Statistics(q01, q99, np.asarray(entry.get("mask", [True] * len(q01)), np.bool_))

    def plain(self) -> dict[str, list[float] | list[bool]]:
        """Return what `of_dataset` reads."""
        return {"q01": self.q01.tolist(), "q99": self.q99.tolist(), "mask": self.mask.tolist()}


def tokens_of(
    action: NDArray[np.floating[Any]], statistics: Statistics, vocabulary: int
) -> NDArray[np.int64]:
    """Return the token ids [..., D] of actions [..., D]; outside the range is its edge."""
    span = np.where(statistics.q99 > statistics.q01, statistics.q99 - statistics.q01, 1.0)
    unit = np.where(statistics.mask, 2 * (action - statistics.q01) / span - 1, action)
    bins: NDArray[np.int64] = np.digitize(np.clip(unit, -1.0, 1.0), EDGES).astype(np.int64)
    return vocabulary - bins


def actions_of(
    tokens: NDArray[np.int64], statistics: Statistics, vocabulary: int
) -> NDArray[np.float64]:
    """Return the actions [..., D] that token ids [..., D] stand for."""
    unit = CENTRES[np.clip(vocabulary - tokens - 1, 0, BINS - 2)]
    low, high = statistics.q01, statistics.q99
    return np.where(statistics.mask, 0.5 * (unit + 1) * (high - low) + low, unit)
