"""One lane as the event loop sees it: an episode that goes on from slot to slot."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rlvla.core.errors import PluginError
from rlvla.core.starts import noise_seed
from rlvla.core.types import Request

if TYPE_CHECKING:
    from rlvla.core.batcher import Batcher
    from rlvla.core.clock import Stopwatch
    from rlvla.core.errors import LaneLostError
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
        self, number: int, shard: ShardWorker, batcher: Batcher, free: FreeSlots, watch: Stopwatch
    ) -> None:
        self.number = number
        self.slot = -1
        self.steps = 0
        self._shard = shard
        self._batcher = batcher
        self._free = free
        self._watch = watch
        self._noise = (0, 0)
        self._decisions = 0

    async def begin(self, start: Start, *, seed: int, episode: int) -> None:
        """Begin an episode; `seed` and `episode` decide its sampling noise."""
        self.slot = self._free.take()
        self.steps = self._decisions = 0
        self._noise = (seed, episode)
        self._watch.begin()
        try:
            await self._shard.reset(self.number, start, into=self.slot)
        finally:
            self._watch.end()

    async def decide(self, temperature: float) -> int:
        """Get a decision on the present observation; return the version that made it."""
        seed = noise_seed(*self._noise, self._decisions)
        self._decisions += 1
        return await self._batcher.decide(Request(self.slot, seed, temperature))

    async def advance(self, *, expert: bool = False) -> tuple[int, Outcome]:
        """Execute the decision (or the expert's); return its slot and what came of it."""
        into = self._free.take()
        execute = self._shard.demonstrate if expert else self._shard.step
        self._watch.begin()
        try:
            outcome = await execute(self.number, self.slot, into=into)
        except BaseException:
            self._free.release([into])
            raise
        finally:
            self._watch.end()
        decided, self.slot = self.slot, into
        self.steps += outcome.steps
        return decided, outcome

    def release(self, slot: int) -> None:
        """Let go of a slot that `advance` returned."""
        self._free.release([slot])

    def leave(self) -> None:
        """Let go of the present observation; the lane must `begin` again."""
        self._free.release([self.slot])
        self.slot = -1


async def be_patient(losses: int, lost: LaneLostError) -> None:
    """Wait a little longer after each loss in a row; raise when it is one too many."""
    if losses >= PATIENCE:
        raise PluginError(f"{lost}; {losses} episodes in a row were lost ({lost.reason})") from lost
    await asyncio.sleep(0.01 * 2**losses)
