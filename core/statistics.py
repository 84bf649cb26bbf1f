"""Running mean and deviation of training targets, right when a batch arrives in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.types import Array

DECAY = 0.9


class Statistics:
    """Moments of one target over past batches: an exponential average without its initial bias.

    What a batch is normalised by is fixed before its first sample arrives, so the weight of a
    sample depends neither on the order of arrival nor on how far the batch has come. The first
    batch has no past and is normalised by its own moments once it is whole.
    """

    def __init__(self, state: Sequence[float] = (0.0, 0.0, 0.0)) -> None:
        self._weight, self._first, self._second = state
        self._batch = np.zeros(3)

    @property
    def known(self) -> bool:
        """Whether there is a finished batch to normalise by."""
        return self._weight > 0

    def add(self, values: Array) -> None:
        """Count the finite `values` of the present batch; others stand for no value."""
        values = values[np.isfinite(values)].astype(np.float64)
        self._batch += (values.size, values.sum(), (values**2).sum())

    def finish(self) -> None:
        """End the present batch: its moments join the past."""
        count, first, second = self._batch.tolist()
        self._batch = np.zeros(3)
        if count == 0:
            return
        self._weight = DECAY * self._weight + 1 - DECAY
        self._first = DECAY * self._first + (1 - DECAY) * first / count
        self._second = DECAY * self._second + (1 - DECAY) * second / count

    def moments(self) -> tuple[float, float]:
        """Return mean and standard deviation."""
        mean = self._first / self._weight
        return mean, float(np.sqrt(max(self._second / self._weight - mean**2, 0.0)))

    def state(self) -> list[float]:
        """Return what the constructor takes back, between two batches."""
        return [self._weight, self._first, self._second]
