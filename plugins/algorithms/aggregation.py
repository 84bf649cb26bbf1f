"""What weighs the same in a batch: decisions, tokens, or trajectories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array, Arrays
    from rlvla.plugins.algorithms.surrogate import Level

Aggregation: TypeAlias = Literal["decision", "token", "trajectory"]


def weights(rows: Arrays, aggregation: Aggregation, level: Level) -> NDArray[np.float32]:
    """Return the weight of each decision of a whole batch, float32 [N], 1 in the mean.

    A decision's loss is the mean over its entries: the executed tokens or actions, or the one
    chunk, as is the `level` of ratios. With n entries of a decision, L of its trajectory, the part
    of an episode that a segment holds, and T trajectories, the mean over decisions of

        token:       loss n / mean(n)     is the mean over all entries of the batch,
        trajectory:  loss n / L * N / T   is the mean over trajectories of the mean over entries.
    """
    if aggregation == "decision":
        return np.ones(len(rows["valid"]), np.float32)
    counts = rows["valid"].sum(1)
    if level == "chunk":
        counts = np.minimum(counts, 1)
    if aggregation == "token":
        share = counts / max(int(counts.sum()), 1)
    else:
        number = _trajectories(rows)
        lengths = np.bincount(number, counts)
        share = counts / np.maximum(lengths[number], 1) / max(np.count_nonzero(lengths), 1)
    weight: NDArray[np.float32] = (len(counts) * share).astype(np.float32)
    return weight


def _trajectories(rows: Arrays) -> Array:
    """Return a number for each decision, int64 [N], the same for those of one trajectory."""
    flags = (rows["terminated"] | rows["truncated"]) & rows["valid"]
    over = np.logical_or.reduce(flags, axis=1)
    begins = np.diff(rows["segment"], prepend=-1) != 0
    return np.cumsum(np.append(True, over[:-1]) | begins)
