"""Demonstration: the simulator's expert acts, and the trainer keeps what it did."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.errors import LaneLostError, PluginError
from rlvla.core.lane import PATIENCE, be_patient
from rlvla.core.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.lane import Lane
    from rlvla.core.starts import Starts
    from rlvla.core.types import Start
    from rlvla.core.workers import TrainerWorker


@dataclass(frozen=True)
class Demonstrator:
    """Plays expert episodes in waves, one a lane.

    The trainer gets them in the order of their starts, so that the same seed gives the same
    demonstrations whatever the lanes' pace.
    """

    lanes: Sequence[Lane]
    trainer: TrainerWorker
    starts: Starts
    stopped: asyncio.Event

    async def demonstrate(self, episodes: int) -> None:
        """Store `episodes` successful expert episodes with the trainer, or until stopped."""
        stored = failures = 0
        while stored < episodes and not self.stopped.is_set():
            wave = [(lane, self.starts.next()) for lane in self.lanes]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._play(lane, *start)) for lane, start in wave]
            played = [task.result() for task in tasks]
            kept = [segment for segment, success in played if success][: episodes - stored]
            failures = 0 if kept else failures + 1
            if failures >= PATIENCE:
                raise PluginError(
                    f"the simulator's expert failed {failures * len(wave)} times in a row"
                )
            if kept:
                await self.trainer.store(kept)
            stored += len(kept)
            for (lane, _), (segment, _) in zip(wave, played, strict=True):
                lane.free.release(segment.slots)

    async def _play(self, lane: Lane, ordinal: int, start: Start) -> tuple[Segment, bool]:
        losses = 0
        while True:
            slots: list[int] = []
            try:
                success = await self._episode(lane, ordinal, start, slots)
            except LaneLostError as lost:
                losses += 1
                lane.free.release(slots)
                lane.forget()
                await be_patient(losses, lost)
            else:
                none = (-1,) * len(slots)
                return Segment(lane.number, tuple(slots), none, none, lane.free.cell), success

    async def _episode(self, lane: Lane, ordinal: int, start: Start, slots: list[int]) -> bool:
        await lane.begin(start, seed=0, episode=ordinal)
        while True:
            slot, outcome = await lane.advance(expert=True)
            slots.append(slot)
            if outcome.done:
                lane.forget()
                return outcome.success
