"""Advantages in units of their deviation from their mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from rlvla.core.types import Array, Moment

SMALLEST = 1e-5
"""What is added to a deviation, which may be 0."""


def of_batch(advantage: Array) -> NDArray[np.float32]:
    """Return the advantages of a batch, normalised by those of them that are not NaN."""
    known = advantage[np.isfinite(advantage)].astype(np.float64)
    deviation = known.std(ddof=1) if len(known) > 1 else 0.0
    return np.asarray((advantage - known.mean()) / (deviation + SMALLEST), np.float32)


def of_minibatch(advantage: Tensor) -> Tensor:
    """Return the advantages of a minibatch, normalised alike."""
    known = advantage[advantage.isfinite()]
    deviation = known.std() if len(known) > 1 else known.new_zeros(())
    return (advantage - known.mean()) / (deviation + SMALLEST)


def running(advantage: Tensor, moment: Moment) -> Tensor:
    """Return the advantages, normalised by the running moments of the target `advantage`."""
    centre, deviation = moment.moments["advantage"]
    return (advantage - centre) / (deviation + SMALLEST)
