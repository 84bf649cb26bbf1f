"""Which finished segments the trainer takes next, so that none ever becomes too old."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from typing import TYPE_CHECKING

from rlvla.core.errors import ClosedError

if TYPE_CHECKING:
    from rlvla.core.segment import Parcel


class Streamer:
    """Finished segments in, the next part of the present batch out.

    The oldest version goes first. While older segments are still being rolled out, a younger one
    is taken only if the places up to the last batch that they may join still hold all of them:
    the trainer waits for them rather than drop them. Admission guarantees that these places
    suffice, so with both rules nothing admitted is ever dropped for its age.

    All of that is true of groups, which come and go as a whole, in place of segments. Places are
    counted as batches are: in decisions, or in the episodes of groups.
    """

    def __init__(self, *, batch_size: int, max_staleness: int) -> None:
        self.batch_size = batch_size
        self.max_staleness = max_staleness
        self._open: dict[int, tuple[int, int]] = {}
        self._owed: defaultdict[int, int] = defaultdict(int)
        """Version to the places of the open segments that began with it."""
        self._done: defaultdict[int, deque[Parcel]] = defaultdict(deque)
        """Version to the finished segments whose oldest decision it made."""
        self._closed = False
        self._waker: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return sum(map(len, self._done.values()))

    def open(self, key: int, *, version: int, places: int) -> None:
        """Note that what will have this `key` begins under `version` or later."""
        self._open[key] = (version, places)
        self._owed[version] += places

    def put(self, parcel: Parcel) -> None:
        """Hand over what was opened under its key."""
        self._shut(parcel.key)
        self._done[min(parcel.versions)].append(parcel)
        self._wake()

    def abandon(self, key: int) -> None:
        """Note that what was opened under `key`, if anything, came to nothing."""
        if key in self._open:
            self._shut(key)
            self._wake()

    async def take(self, *, version: int, room: int) -> list[Parcel]:
        """Wait for what fits the batch of `version` that has `room` places left.

        Raise `ClosedError` once closed, also if segments are left. One caller at a time.
        """
        while not self._closed:
            if taken := self._fitting(version, room):
                return taken
            self._waker = asyncio.get_running_loop().create_future()
            await self._waker
        raise ClosedError

    def close(self) -> None:
        """End every `take`. Idempotent."""
        self._closed = True
        self._wake()

    def _fitting(self, version: int, room: int) -> list[Parcel]:
        taken: list[Parcel] = []
        for first in sorted(self._done):
            waiting = self._done[first]
            kept = self._kept(version, first)
            while waiting and len(waiting[0]) <= room - kept:
                room -= len(waiting[0])
                taken.append(waiting.popleft())
            if waiting:
                break
            del self._done[first]
        return taken

    def _kept(self, version: int, younger: int) -> int:
        """Places of the present batch that segments older than `younger` cannot do without."""
        kept = owed = 0
        for first in sorted(self._owed):
            if first >= younger:
                break
            owed += self._owed[first]
            later_batches = first + self.max_staleness - version
            kept = max(kept, owed - later_batches * self.batch_size)
        return kept

    def _shut(self, key: int) -> None:
        version, places = self._open.pop(key)
        self._owed[version] -= places
        if not self._owed[version]:
            del self._owed[version]

    def _wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)
