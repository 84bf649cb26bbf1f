"""Rollout: lanes that produce segments for the trainer, each at its own pace."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rlvla.core.collector import Collecting, Collector
from rlvla.core.errors import LaneLostError
from rlvla.core.production import produce

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
        one = partial(self._segment, lane, Collector(self, lane))
        await produce(self.admission, lane, self.length, one)

    async def _segment(self, lane: Lane, collector: Collector) -> None:
        self.streamer.open(lane.number, version=lane.version, places=self.length)
        try:
            segment = await collector.segment(self.starts)
        except LaneLostError as lost:
            collector.drop(lost.reason)
            self.streamer.abandon(lane.number)
            raise
        self.admission.finish(self.length)
        self.streamer.put(segment)
