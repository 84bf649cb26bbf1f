"""One lane as the event loop sees it: an episode that goes on from slot to slot."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rlvla.core.clock import now
from rlvla.core.errors import PluginError
from rlvla.core.gather import Gather
from rlvla.core.starts import noise_seed
from rlvla.core.types import Request

if TYPE_CHECKING:
    from collections.abc import Generator

    from rlvla.core.dispatcher import Dispatcher
    from rlvla.core.errors import LaneLostError
    from rlvla.core.gauge import Gauge
    from rlvla.core.slots import FreeSlots
    from rlvla.core.types import Outcome, Start
    from rlvla.core.workers import ShardWorker

PATIENCE = 8
"""Episodes that one lane may lose in a row before the run gives up."""


class Lane:
    """Walks through episodes: `begin`, then `decide` and `advance` in turn until it is done.

    `slot` holds the observation that waits for a decision; it is -1 between episodes. Whoever
    calls `advance` becomes the holder of the slot that it returns.
    """

    def __init__(
        self,
        number: int,
        shard: ShardWorker | Gather,
        dispatcher: Dispatcher,
        free: FreeSlots,
        gauge: Gauge,
    ) -> None:
        self.number = number
        self.free = free
        self.slot = -1
        self.steps = 0
        self._shard = shard
        self._meetings = (dispatcher, shard) if isinstance(shard, Gather) else (dispatcher,)
        self._dispatcher = dispatcher
        self._gauge = gauge
        self._noise = (0, 0)
        self._decisions = 0

    @property
    def version(self) -> int:
        """Version of the weights that every later decision is made with at least."""
        return self._dispatcher.version

    @contextmanager
    def taking_part(self) -> Generator[None]:
        """Let those who batch decisions or steps count on this lane."""
        for meeting in self._meetings:
            meeting.join(self.number)
        try:
            yield
        finally:
            for meeting in self._meetings:
                meeting.leave(self.number)

    def admitted(self, since: float) -> None:
        """Trace that it has waited for admission since then."""
        self._gauge.span("admit", self.number, since)

    async def begin(self, start: Start, *, seed: int, episode: int) -> None:
        """Begin an episode; `seed` and `episode` decide its sampling noise."""
        self.slot = self.free.take()
        self.steps = self._decisions = 0
        self._noise = (seed, episode)
        with self._gauge.busy("reset", self.number, worker=self._gauge.number):
            await self._shard.reset(self.number, start, into=self.slot)

    async def decide(self, temperature: float, *, version: int = -1) -> int:
        """Get a decision on the present observation; return the version that made it.

        If `version` names one, it is that one.
        """
        seed = noise_seed(*self._noise, self._decisions)
        self._decisions += 1
        began = now()
        request = Request(self.number, self.slot, seed, temperature, version)
        made = await self._dispatcher.decide(request)
        self._gauge.span("request", self.number, began, version=made)
        return made

    async def advance(self, *, expert: bool = False) -> tuple[int, Outcome]:
        """Execute the decision (or the expert's); return its slot and what came of it."""
        into = self.free.take()
        execute = self._shard.demonstrate if expert else self._shard.step
        try:
            with self._gauge.busy("step", self.number, worker=self._gauge.number):
                outcome = await execute(self.number, self.slot, into=into)
        except BaseException:
            self.free.release([into])
            raise
        decided, self.slot = self.slot, into
        self.steps += outcome.steps
        return decided, outcome

    def forget(self) -> None:
        """Let go of the present observation; the lane must `begin` again."""
        self.free.release([self.slot])
        self.slot = -1


async def be_patient(losses: int, lost: LaneLostError) -> None:
    """Wait a little longer after each loss in a row; raise when it is one too many."""
    if losses >= PATIENCE:
        raise PluginError(f"{lost}; {losses} episodes in a row were lost ({lost.reason})") from lost
    await asyncio.sleep(0.01 * 2**losses)
