"""Which generator a lane asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from rlvla.core.batcher import Batcher
    from rlvla.core.types import Request


class Dispatcher:
    """The batchers of a cell; each lane has one of them, as the sharding scheduler says."""

    def __init__(self, batchers: Sequence[Batcher], generators: Sequence[int], first: int) -> None:
        self._batchers = batchers
        self._first = first
        self._of = [batchers[number] for number in generators]

    @property
    def version(self) -> int:
        """Version of the weights that every later decision is made with at least."""
        return self._batchers[0].version

    @version.setter
    def version(self, version: int) -> None:
        for batcher in self._batchers:
            batcher.version = version

    def join(self, lane: int) -> None:
        """Count one more lane that will ask."""
        self._of[lane - self._first].join(lane)

    def leave(self, lane: int) -> None:
        """Count one lane fewer."""
        self._of[lane - self._first].leave(lane)

    def decide(self, request: Request) -> asyncio.Future[int]:
        """Return the decision to be on `request`; see `Batcher.decide`."""
        return self._of[request.lane - self._first].decide(request)

    def close(self) -> None:
        """End every batcher."""
        for batcher in self._batchers:
            batcher.close()
