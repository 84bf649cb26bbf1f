"""Shared rows: where observations, decisions and results live while the core moves their ids."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.errors import TrainingError
from rlvla.core.types import Field, observation_fields, result_fields

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from mmap import mmap

    from rlvla.core.types import Array, Arrays, SimulatorSpec

ALIGNMENT = 64
PARTS = ("observation", "decision", "result")
WORDS = ("begin", "commit")


class TornRowError(Exception):
    """A part of a row was read while somebody wrote it, or before anybody did."""


class Layout:
    """Where each field of a row lies: three parts, each between its begin and commit words."""

    def __init__(self, spec: SimulatorSpec, decision: Mapping[str, Field]) -> None:
        chunk = decision["action"].shape[0]
        self.parts: dict[str, dict[str, Field]] = {
            "observation": observation_fields(spec),
            "decision": dict(decision),
            "result": result_fields(chunk),
        }
        words = {f"{word}/{part}": Field((), "int64") for part in PARTS for word in WORDS}
        fields = words | {name: one for part in self.parts.values() for name, one in part.items()}
        self.offsets: dict[str, tuple[int, Field]] = {}
        self.row_bytes = 0
        for name, one in fields.items():
            self.offsets[name] = (self.row_bytes, one)
            self.row_bytes += _padded(one)


class Slots:
    """`count` rows in one block of memory that several processes may map.

    One process at a time writes a part of a row. A reader that meets an unfinished part, because
    its writer was killed or its slot was given away too early, gets `TornRowError`.
    """

    def __init__(self, layout: Layout, count: int, buffer: mmap | bytearray) -> None:
        self.layout = layout
        self.count = count
        self._views: dict[str, Array] = {
            name: np.ndarray(
                (count, *one.shape),
                one.dtype,
                buffer,
                offset,
                (layout.row_bytes, *np.empty(one.shape, one.dtype).strides),
            )
            for name, (offset, one) in layout.offsets.items()
        }

    def write(self, part: str, slots: Sequence[int], values: Arrays) -> None:
        """Write one part of the rows; `values` holds each of its fields, stacked like `slots`."""
        index = np.asarray(slots)
        self._views[f"begin/{part}"][index] += 1
        for name in self.layout.parts[part]:
            self._views[name][index] = values[name]
        self._views[f"commit/{part}"][index] = self._views[f"begin/{part}"][index]

    def write_row(self, part: str, slot: int, values: Arrays) -> None:
        """Write one part of one row; `values` holds each of its fields."""
        begin = self._views[f"begin/{part}"]
        begin[slot] += 1
        for name in self.layout.parts[part]:
            self._views[name][slot] = values[name]
        self._views[f"commit/{part}"][slot] = begin[slot]

    def read_one(self, slot: int, part: str, name: str) -> Array:
        """Return a copy of one field of a part of one row."""
        before = self._committed_one(part, slot)
        field: Array = self._views[name][slot].copy()
        if before != self._committed_one(part, slot):
            raise TornRowError(f"slot {slot} was written while it was read")
        return field

    def read_field(self, slots: Sequence[int], part: str, name: str) -> Array:
        """Return a copy of one field of a part, stacked like `slots`."""
        index = np.asarray(slots, np.int64)
        before = self._committed(part, index)
        field = self._views[name][index]
        if not np.array_equal(before, self._committed(part, index)):
            raise TornRowError(f"slots {list(slots)} were written while they were read")
        return field

    def read(self, slots: Sequence[int], *parts: str) -> dict[str, Array]:
        """Return copies of the fields of these parts, stacked like `slots`."""
        index = np.asarray(slots, np.int64)
        before = [self._committed(part, index) for part in parts]
        rows = {
            name: self._views[name][index] for part in parts for name in self.layout.parts[part]
        }
        after = [self._committed(part, index) for part in parts]
        if not all(np.array_equal(*pair) for pair in zip(before, after, strict=True)):
            raise TornRowError(f"slots {list(slots)} were written while they were read")
        return rows

    def _committed_one(self, part: str, slot: int) -> int:
        begun = int(self._views[f"begin/{part}"][slot])
        if begun == 0 or begun != self._views[f"commit/{part}"][slot]:
            raise TornRowError(f"the {part} of slot {slot} is not whole")
        return begun

    def _committed(self, part: str, index: Array) -> Array:
        begun, committed = self._views[f"begin/{part}"][index], self._views[f"commit/{part}"][index]
        torn = index[(begun != committed) | (begun == 0)]
        if torn.size:
            raise TornRowError(f"the {part} of slots {torn.tolist()} is not whole")
        return committed


class FreeSlots:
    """Which rows of a cell nobody needs: a row is free when everybody who held it has let go."""

    def __init__(self, count: int, *, cell: int = 0) -> None:
        self.cell = cell
        self._count = count
        self._used = 0
        """Rows below this number have been taken before."""
        self._free: list[int] = []
        """Those of them that nobody needs now."""
        self._holders: dict[int, int] = {}
        self.decisions: dict[int, tuple[int, int]] = {}
        """Lane and version of the decision in each row that is held for it."""

    def __len__(self) -> int:
        return len(self._free) + self._count - self._used

    def take(self) -> int:
        """Return a free row, held once."""
        if self._free:
            slot = self._free.pop()
        elif self._used < self._count:
            slot = self._used
            self._used += 1
        else:
            raise TrainingError("the shared memory is full: its size does not fit the manifest")
        self._holders[slot] = 1
        return slot

    def hold(self, slot: int) -> None:
        """Keep a row that somebody holds already."""
        self._holders[slot] += 1

    @contextmanager
    def kept(self, slots: Sequence[int]) -> Generator[None]:
        """Hold rows that somebody holds already for as long as the context lasts."""
        for slot in slots:
            self.hold(slot)
        try:
            yield
        finally:
            self.release(slots)

    def decided(self, slot: int, *, lane: int, version: int) -> None:
        """Note whose decision is in a row until it is free, and which weights made it."""
        self.decisions[slot] = lane, version

    def release(self, slots: Iterable[int]) -> None:
        """Let go of rows; ids below 0 stand for none."""
        for slot in slots:
            if slot < 0:
                continue
            self._holders[slot] -= 1
            if self._holders[slot] == 0:
                del self._holders[slot]
                self.decisions.pop(slot, None)
                self._free.append(slot)


def _padded(one: Field) -> int:
    size = int(np.prod(one.shape)) * np.dtype(one.dtype).itemsize
    return -(-size // ALIGNMENT) * ALIGNMENT
