"""The standstill: no decision is made while the weights change, and what waits is seen before."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.batcher import Batcher
    from rlvla.core.interfaces import Algorithm
    from rlvla.core.metrics import Metrics
    from rlvla.core.slots import FreeSlots
    from rlvla.core.workers import TrainerWorker


def wanted(algorithm: Algorithm, max_staleness: int) -> bool:
    """Return whether rollouts are interrupted; in a synchronous run nothing waits for a batch."""
    return max_staleness > 0 and any(one.interrupts for one in algorithm.compared.values())


@dataclass(frozen=True, kw_only=True)
class Standstill:
    """Rollouts, interrupted: lanes may go on as far as their present decisions take them.

    It lasts from before the first optimizer step of a batch until its version is published: every
    decision is then made with the weights that the trainer holds, and seen by it while it does.
    """

    batchers: Sequence[Batcher]
    free: Sequence[FreeSlots]
    """Of each cell."""
    trainer: TrainerWorker
    metrics: Metrics

    async def begin(self, version: int) -> None:
        """Wait for the decisions that are being made, then have the trainer see all of `version`
        that wait for a later batch."""
        for one in self.batchers:
            one.hold()
        for one in self.batchers:
            await one.idle()
        await asyncio.sleep(0)  # a lane that has just got its decision notes it in this turn
        waiting = [part for free in self.free for part in _waiting(free, version)]
        if waiting:
            with self.metrics.trainer.busy("foresee", 0, decisions=sum(map(len, waiting))):
                await self.trainer.foresee(waiting)

    def end(self) -> None:
        """Let decisions be made again."""
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
