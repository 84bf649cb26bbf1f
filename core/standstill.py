"""The standstill: decisions that wait are seen before the trainer knows their weights no more."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.batcher import Batcher
    from rlvla.core.interfaces import Algorithm
    from rlvla.core.metrics import Metrics
    from rlvla.core.publisher import Publisher
    from rlvla.core.slots import FreeSlots
    from rlvla.core.workers import TrainerWorker


def seen_within(algorithm: Algorithm, max_staleness: int) -> int | None:
    """Return how many versions may pass until a decision is seen; None if it never waits longer."""
    asked = [one.sees_within for one in algorithm.compared.values()]
    soonest = min((one for one in asked if one is not None), default=max_staleness)
    return soonest if soonest < max_staleness else None


@dataclass(frozen=True, kw_only=True)
class Standstill:
    """Rollouts, interrupted: lanes may go on as far as their present decisions take them.

    If decisions must be seen `within` 0 versions, it lasts from before the first optimizer step
    of a batch until its version is published: every decision is then made with the weights that
    the trainer holds, and seen by it while it does. Within 1, it only lasts until the last
    decisions of the version before are there, which can then be told from those to come.
    """

    within: int
    publisher: Publisher
    batchers: Sequence[Batcher]
    free: Sequence[FreeSlots]
    """Of each cell."""
    trainer: TrainerWorker
    metrics: Metrics

    async def begin(self, version: int) -> None:
        """Wait for the decisions that are being made, then have the trainer, which is about to
        leave `version`, see those that wait for a later batch and must be seen now."""
        await self.publisher.settled()
        for one in self.batchers:
            one.hold()
        for one in self.batchers:
            await one.idle()
        await asyncio.sleep(0)  # a lane that has just got its decision notes it in this turn
        with ExitStack() as kept:
            waiting: list[Segment] = []
            for free in self.free:
                own = _waiting(free, version - self.within)
                kept.enter_context(free.kept([slot for one in own for slot in one.slots]))
                waiting += own
            if self.within:
                self._go_on()
            if waiting:
                with self.metrics.trainer.busy("foresee", 0, decisions=sum(map(len, waiting))):
                    await self.trainer.foresee(waiting)

    async def end(self) -> None:
        """Let decisions be made again, with the weights that were announced since."""
        if not self.within:
            await self.publisher.settled()
            self._go_on()

    def _go_on(self) -> None:
        for one in self.batchers:
            one.go_on()


def _waiting(free: FreeSlots, version: int) -> list[Segment]:
    """Return the decisions of a version that wait, those of a lane as a segment."""
    slots: defaultdict[int, list[int]] = defaultdict(list)
    for slot, (lane, made) in free.decisions.items():
        if made == version:
            slots[lane].append(slot)
    return [
        Segment(lane, tuple(own), (-1,) * len(own), (version,) * len(own), free.cell)
        for lane, own in slots.items()
    ]
