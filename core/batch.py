"""Rows on their way through the trainer: grown as segments arrive, cut into micro-batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlvla.core.types import Array, Arrays


class Batch:
    """Rows (and their targets) by name, stacked in order of arrival."""

    def __init__(self) -> None:
        self._parts: list[Arrays] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, rows: Arrays) -> None:
        """Append rows that have the same fields as those before."""
        self._parts.append(rows)
        self._size += len(next(iter(rows.values())))

    def extend(self, fields: Arrays) -> None:
        """Give all rows these fields, too."""
        self._parts = [self.rows() | dict(fields)]

    def rows(self) -> dict[str, Array]:
        """Return all rows, stacked."""
        if len(self._parts) > 1:
            names = self._parts[0]
            stacked = {name: np.concatenate([part[name] for part in self._parts]) for name in names}
            self._parts = [stacked]
        return dict(self._parts[0])

    def select(self, index: Array) -> Batch:
        """Return the rows at `index`, int [N], as a batch of their own."""
        chosen = Batch()
        chosen.add({name: one[index] for name, one in self.rows().items()})
        return chosen

    def cut(self, size: int, *, start: int = 0) -> Iterator[Arrays]:
        """Yield the rows from `start` on in micro-batches of `size`; the last may be smaller."""
        rows = self.rows()
        for first in range(start, self._size, size):
            yield {name: one[first : first + size] for name, one in rows.items()}
