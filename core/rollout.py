"""Rollout: lanes that produce segments for the trainer, each at its own pace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.clock import now
from rlvla.core.collector import Collecting, Collector
from rlvla.core.errors import ClosedError, LaneLostError
from rlvla.core.lane import be_patient

if TYPE_CHECKING:
    from rlvla.core.admission import Admission
    from rlvla.core.lane import Lane
    from rlvla.core.starts import Starts
    from rlvla.core.streamer import Streamer


@dataclass(frozen=True, kw_only=True)
class Rollout(Collecting):
    """Who comes first is admitted first, and an episode that is lost is dropped."""

    admission: Admission
    streamer: Streamer
    starts: Starts

    async def run(self, lane: Lane) -> None:
        """Produce segments until admission closes."""
        losses = 0
        collector = Collector(self, lane)
        while True:
            try:
                since = now()
                await self.admission.enter(self.length)
                lane.admitted(since)
                self.streamer.open(lane.number, version=lane.version, places=self.length)
                segment = await collector.segment(self.starts)
                self.admission.finish(self.length)
                self.streamer.put(segment)
                losses = 0
            except ClosedError:
                return
            except LaneLostError as lost:
                losses += 1
                collector.drop(lost.reason)
                self.streamer.abandon(lane.number)
                self.admission.cancel(self.length)
                await be_patient(losses, lost)
