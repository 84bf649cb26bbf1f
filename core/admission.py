"""Who may start new work: the rule that bounds staleness before anything is produced."""

from __future__ import annotations

import asyncio
from collections import deque

from rlvla.core.errors import ClosedError


class Admission:
    """Grants work while `(max_staleness + version + 1) * batch_size - (accepted + running) > 0`.

    The capacity rule of AReaL (arXiv 2505.24298): by the time the decisions admitted now are
    trained on, the trainer is at most `max_staleness` versions ahead. Decisions are counted;
    `accepted` ones are finished, `running` ones admitted. With `max_staleness` 0 exactly one
    batch is admitted per version, which is the synchronous schedule. Who came first goes first.
    """

    def __init__(self, *, batch_size: int, max_staleness: int, version: int = 0) -> None:
        self.batch_size = batch_size
        self.max_staleness = max_staleness
        self.version = version
        self.accepted = version * batch_size
        self.running = 0
        self._closed = False
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    @property
    def capacity(self) -> int:
        """Decisions that may still be admitted at the present version."""
        granted = (self.max_staleness + self.version + 1) * self.batch_size
        return granted - (self.accepted + self.running)

    async def enter(self, decisions: int) -> None:
        """Wait until work may start and count it as running; `ClosedError` once closed."""
        if self._closed:
            raise ClosedError
        if not self._waiting and self.capacity > 0:
            self.running += decisions
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((granted, decisions))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled() and granted.exception() is None:
                self.cancel(decisions)
            raise

    def finish(self, decisions: int) -> None:
        """Count running work as accepted."""
        self.running -= decisions
        self.accepted += decisions

    def cancel(self, decisions: int) -> None:
        """Give back running work that came to nothing."""
        self.running -= decisions
        self._grant()

    def refund(self, decisions: int) -> None:
        """Give back accepted work that the trainer did not use."""
        self.accepted -= decisions
        self._grant()

    def advance(self, version: int) -> None:
        """Note that the generators have `version`."""
        self.version = version
        self._grant()

    def close(self) -> None:
        """Admit nothing more. Idempotent."""
        self._closed = True
        while self._waiting:
            granted, _ = self._waiting.popleft()
            if not granted.done():
                granted.set_exception(ClosedError())

    def _grant(self) -> None:
        while self._waiting and self.capacity > 0:
            granted, decisions = self._waiting.popleft()
            if not granted.done():
                granted.set_result(None)
                self.running += decisions
