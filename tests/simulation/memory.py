"""A virtual memory that forgets a slot as soon as nobody holds it, and looks closer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from rlvla.core.runtime.virtual.memory import Memory, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from simulation.grouping import GroupWatch

    from rlvla.core.segment import Segment
    from rlvla.core.slots import FreeSlots
    from rlvla.core.types import Request, Start


class Expected(NamedTuple):
    """What a run's segments are like."""

    segment: int
    """Decisions of each."""
    endless: bool
    """No episode ends but by its time limit."""
    ordered: bool
    """No decision comes to nothing; lanes hold those of their episode."""
    groups: GroupWatch | None
    """Sees them instead, if they are episodes."""
    seen_within: int | None
    """Versions that pass until the trainer sees each decision, at most."""


class StrictMemory(Memory):
    """The rows of one cell; `held` says how many hold each slot."""

    def __init__(self, cell: int, *, banks: int, expected: Expected) -> None:
        super().__init__(cell, banks=banks)
        self.held: Counter[int] = Counter()
        self.dropped: set[int] = set()
        """Held slots whose decision came to nothing: they only show what followed another."""
        self._segment, self._endless, self._ordered, self._groups, self._within = expected

    def look(self, requests: Sequence[Request]) -> None:
        """See `Memory.look`; also, a batch is of one version and asks once a lane."""
        if len({request.version for request in requests}) > 1:
            self.violated(f"{requests} must be decided by different versions")
        if len({request.lane for request in requests}) < len(requests):
            self.violated(f"{requests} holds a lane twice")
        super().look(requests)

    def decide(self, requests: Sequence[Request], version: int) -> None:
        """See `Memory.decide`; also, what was executed already is not decided anew."""
        super().decide(requests, version)
        for request in requests:
            if self.rows[request.slot].executed:
                self.violated(f"{request} is decided anew after it was executed")

    def train(self, segment: Segment) -> None:
        """See `Memory.train`; also, a segment is whole, and goes on where nothing ended it."""
        for slot in () if self._within is None else segment.slots:
            row = self._of(segment.lane, slot)
            if row.version < self.version - (self._within or 0) and not row.foreseen:
                self.violated(f"slot {slot} of {segment} is seen with version {self.version}")
        if self._groups is not None:
            rows = [self._of(segment.lane, slot) for slot in segment.slots]
            self._groups.train(segment, rows)
            super().train(segment)
            return
        if len(segment) != self._segment:
            self.violated(f"{segment} has {len(segment)} of {self._segment} decisions")
        super().train(segment)
        if self._endless and segment.bootstrap[-1] < 0:
            self.violated(f"{segment} goes on, but not in what it holds")

    def begun(self, lane: int, slot: int, start: Start) -> None:
        """See `Memory.begun`; groups are counted."""
        super().begun(lane, slot, start)
        if self._groups is not None:
            self._groups.begin(start)

    def taken(self, slot: int) -> None:
        """Note that somebody took a slot that nobody held: what was in it is gone."""
        if self.held[slot]:
            self.violated(f"slot {slot} was given away while it was held")
        self.held[slot] = 1
        self.rows.pop(slot, None)

    def released(self, slot: int) -> None:
        """Note that somebody let go of a slot."""
        self.held[slot] -= 1
        if not self.held[slot]:
            del self.held[slot]
            self.rows.pop(slot, None)
            self.dropped.discard(slot)
        elif slot in self.rows and not self._ordered and self._follows(self.rows[slot]):
            self.dropped.add(slot)

    def _follows(self, row: Row) -> bool:
        """Return whether what a row followed is held: who lets go of a segment does so in order."""
        before = (row.lane, row.ordinal - 1)
        return any((one.lane, one.ordinal) == before for _, one in self.holding())

    def holding(self) -> Iterator[tuple[int, Row]]:
        """Yield the held slots that something was written into."""
        return ((slot, self.rows[slot]) for slot in self.held if slot in self.rows)


class HeldSlots:
    """Free slots that tell the memory who holds what."""

    def __init__(self, free: FreeSlots, memory: StrictMemory) -> None:
        self._free = free
        self._memory = memory
        self.cell = free.cell

    def __len__(self) -> int:
        return len(self._free)

    def take(self) -> int:
        slot = self._free.take()
        self._memory.taken(slot)
        return slot

    @property
    def decisions(self) -> dict[int, tuple[int, int]]:
        return self._free.decisions

    def decided(self, slot: int, *, lane: int, version: int) -> None:
        self._free.decided(slot, lane=lane, version=version)

    def hold(self, slot: int) -> None:
        self._free.hold(slot)
        self._memory.held[slot] += 1

    def kept(self, slots: Sequence[int]) -> AbstractContextManager[None]:
        return self._free.kept(slots)  # who lets go of a row in the end says what became of it

    def release(self, slots: Iterable[int]) -> None:
        mine = [*slots]
        self._free.release(mine)
        for slot in mine:
            if slot >= 0:
                self._memory.released(slot)
