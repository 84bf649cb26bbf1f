"""What the trainer keeps of the expert."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.batch import Batch
from rlvla.core.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rlvla.core.types import Arrays


class Demonstrations:
    """The decisions of an expert, from which batches are drawn with replacement.

    Those that are `recorded` are read when the first batch is drawn.
    """

    def __init__(self, recorded: Iterable[Arrays] = ()) -> None:
        self._batch = Batch()
        self._recorded = recorded

    def add(self, rows: Arrays) -> None:
        """Keep more decisions."""
        self._batch.add(rows)

    def draw(self, count: int, *key: int) -> Batch:
        """Return `count` decisions, the same ones for the same key."""
        for rows in self._recorded:
            self.add(rows)
        self._recorded = ()
        if not len(self._batch):
            raise TrainingError("there are no demonstrations to learn from")
        random = np.random.default_rng(key)
        return self._batch.select(random.integers(len(self._batch), size=count))
