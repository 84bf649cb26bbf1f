"""Which finished segments the trainer takes next, so that none ever becomes too old."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rlvla.core.errors import ClosedError

if TYPE_CHECKING:
    from rlvla.core.types import Segment


class Streamer:
    """Finished segments in, the next part of the present batch out.

    The oldest version goes first. While older segments are still being rolled out, a younger one
    is taken only if the places up to the last batch that they may join still hold all of them:
    the trainer waits for them rather than drop them. Admission guarantees that these places
    suffice, so with both rules nothing admitted is ever dropped for its age.
    """

    def __init__(self, *, batch_size: int, max_staleness: int) -> None:
        self.batch_size = batch_size
        self.max_staleness = max_staleness
        self._open: dict[int, tuple[int, int]] = {}
        self._done: list[Segment] = []
        self._closed = False
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._done)

    def open(self, lane: int, *, version: int, decisions: int) -> None:
        """Note that `lane` begins a segment of `decisions` under `version` or later."""
        self._open[lane] = (version, decisions)

    async def put(self, segment: Segment) -> None:
        """Hand over the finished segment of its lane."""
        self._open.pop(segment.lane)
        self._done.append(segment)
        self._done.sort(key=lambda one: min(one.versions))
        await self._notify()

    async def abandon(self, lane: int) -> None:
        """Note that the segment of `lane` came to nothing."""
        self._open.pop(lane, None)
        await self._notify()

    async def take(self, *, version: int, room: int) -> list[Segment]:
        """Wait for segments for the batch of `version` that has `room` decisions left.

        Raise `ClosedError` once closed, also if segments are left.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or self._fitting(version, room))
            if self._closed:
                raise ClosedError
            taken = self._fitting(version, room)
            del self._done[: len(taken)]
            return taken

    async def close(self) -> None:
        """End every `take`. Idempotent."""
        self._closed = True
        await self._notify()

    def _fitting(self, version: int, room: int) -> list[Segment]:
        taken: list[Segment] = []
        for segment in self._done:
            if len(segment) > room - self._kept(version, min(segment.versions)):
                break
            taken.append(segment)
            room -= len(segment)
        return taken

    def _kept(self, version: int, younger: int) -> int:
        """Places of the present batch that segments older than `younger` cannot do without."""
        kept = owed = 0
        for first, decisions in sorted(self._open.values()):
            if first < younger:
                owed += decisions
                later_batches = first + self.max_staleness - version
                kept = max(kept, owed - later_batches * self.batch_size)
        return kept

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
