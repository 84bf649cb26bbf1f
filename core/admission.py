"""Who may start new work: the rule that bounds staleness before anything is produced."""

from __future__ import annotations

import asyncio

from rlvla.core.errors import ClosedError


class Admission:
    """Grants work while `(max_staleness + version + 1) * batch_size - (accepted + running) > 0`.

    The capacity rule of AReaL (arXiv 2505.24298): by the time the decisions admitted now are
    trained on, the trainer is at most `max_staleness` versions ahead. Decisions are counted;
    `accepted` ones are finished, `running` ones admitted. With `max_staleness` 0 exactly one
    batch is admitted per version, which is the synchronous schedule.
    """

    def __init__(self, *, batch_size: int, max_staleness: int, version: int = 0) -> None:
        self.batch_size = batch_size
        self.max_staleness = max_staleness
        self.version = version
        self.accepted = version * batch_size
        self.running = 0
        self._closed = False
        self._changed = asyncio.Condition()

    @property
    def capacity(self) -> int:
        """Decisions that may still be admitted at the present version."""
        granted = (self.max_staleness + self.version + 1) * self.batch_size
        return granted - (self.accepted + self.running)

    async def enter(self, decisions: int) -> None:
        """Wait until work may start and count it as running; `ClosedError` once closed."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or self.capacity > 0)
            if self._closed:
                raise ClosedError
            self.running += decisions

    def finish(self, decisions: int) -> None:
        """Count running work as accepted."""
        self.running -= decisions
        self.accepted += decisions

    async def cancel(self, decisions: int) -> None:
        """Give back running work that came to nothing."""
        self.running -= decisions
        await self._notify()

    async def refund(self, decisions: int) -> None:
        """Give back accepted work that the trainer did not use."""
        self.accepted -= decisions
        await self._notify()

    async def advance(self, version: int) -> None:
        """Note that the trainer has published `version`."""
        self.version = version
        await self._notify()

    async def close(self) -> None:
        """Admit nothing more. Idempotent."""
        self._closed = True
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
