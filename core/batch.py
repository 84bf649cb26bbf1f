"""Rows on their way through the trainer: grown as segments arrive, cut into micro-batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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

    def shuffled(self, random: np.random.Generator, *, segments: bool) -> Batch:
        """Return the rows in another order: each by itself, or whole `segments`."""
        if not segments:
            return self.select(random.permutation(self._size))
        _, of = np.unique(self.rows()["segment"], return_inverse=True)
        return self.select(np.argsort(random.permutation(of.max() + 1)[of], kind="stable"))

    def ends(self, count: int, *, segments: bool) -> list[int]:
        """Return before which rows each part of `count` rows, or whole `segments`, is over."""
        if not segments:
            return [*range(count, self._size + 1, count)]
        numbers = self.rows()["segment"]
        last = np.flatnonzero(np.append(numbers[1:] != numbers[:-1], True))
        return [int(one) + 1 for one in last[count - 1 :: count]]

    def cut(
        self, size: int, ends: Sequence[int] = (), *, start: int = 0, whole: bool = True
    ) -> Iterator[Arrays]:
        """Yield the rows from `start` on in micro-batches of `size`, none across one of `ends`.

        Before an end, and if the batch is `whole` at its own, a micro-batch may be smaller.
        """
        rows = self.rows()
        for end in sorted({*ends, self._size}):
            for first in range(start, end, size):
                if not whole and end not in ends and first + size > end:
                    return
                yield {name: one[first : min(first + size, end)] for name, one in rows.items()}
            start = max(start, end)
