"""Admission and streamer of the deterministic mode: the order decides, not who comes first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rlvla.core.errors import ClosedError
from rlvla.core.segment import Group

if TYPE_CHECKING:
    from rlvla.core.segment import Parcel, Segment


class Gate:
    """Lets in whoever waits for a version of the weights once it is published."""

    def __init__(self, version: int) -> None:
        self.version = version
        self._closed = False
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def enter(self, version: int) -> None:
        """Wait until `version` is published; `ClosedError` once closed."""
        if self._closed:
            raise ClosedError
        if self.version < version:
            granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((version, granted))
            await granted

    def refund(self, decisions: int) -> None:
        """Never happens: in a fixed order no segment becomes too old."""
        raise AssertionError(f"{decisions} decisions were too old")

    def advance(self, version: int) -> None:
        """Note that the generators have `version`."""
        self.version = version
        for wanted, granted in self._waiting:
            if wanted <= version and not granted.done():
                granted.set_result(None)
        self._waiting = [one for one in self._waiting if not one[1].done()]

    def close(self) -> None:
        """Let nobody in any more. Idempotent."""
        self._closed = True
        for _, granted in self._waiting:
            if not granted.done():
                granted.set_exception(ClosedError())
        self._waiting.clear()


class OrderedStreamer:
    """Finished segments in as they come, out by their index; `together` of them are a group."""

    def __init__(self, first: int, *, together: int = 1) -> None:
        self._next = first
        self._together = together
        self._done: dict[int, Segment] = {}
        self._closed = False
        self._waker: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._done)

    def put(self, index: int, segment: Segment) -> None:
        """Hand over a finished segment."""
        self._done[index] = segment
        self._wake()

    async def take(self, *, version: int, room: int) -> list[Parcel]:
        """Wait for the next segment or group, and return it alone.

        How many come at once would depend on timing, and so would what the trainer computes in
        one pass. Batches are whole numbers of them: it fits wherever there is room. Raise
        `ClosedError` once closed, also if segments are left. One caller at a time.
        """
        del version, room
        while not self._closed:
            if (parcel := self._following()) is not None:
                return [parcel]
            self._waker = asyncio.get_running_loop().create_future()
            await self._waker
        raise ClosedError

    def close(self) -> None:
        """End every `take`. Idempotent."""
        self._closed = True
        self._wake()

    def _following(self) -> Parcel | None:
        indices = range(self._next, self._next + self._together)
        if not self._done.keys() >= {*indices}:
            return None
        self._next = indices.stop
        segments = tuple(self._done.pop(index) for index in indices)
        return segments[0] if self._together == 1 else Group(segments[0].group, segments)

    def _wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)
