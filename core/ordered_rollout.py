"""Rollout of the deterministic mode: every lane produces the segments that the order gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.clock import now
from rlvla.core.collector import Collecting, Collector
from rlvla.core.errors import ClosedError
from rlvla.core.starts import Starts, start_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.lane import Lane
    from rlvla.core.order import Order
    from rlvla.core.ordered import Gate, OrderedStreamer
    from rlvla.core.segment import Segment

EPISODES = 1 << 20
"""Starts that are set apart for a lane in an era."""


@dataclass(frozen=True, kw_only=True)
class OrderedRollout(Collecting):
    """Decisions of a segment are made with the one version that the order names."""

    order: Order
    admission: Gate
    streamer: OrderedStreamer
    tasks: Sequence[str]
    places: Mapping[int, int]
    """Number of a lane to its place among those that train."""

    async def run(self, lane: Lane) -> None:
        """Produce segments until admission closes."""
        place, order = self.places[lane.number], self.order
        index = order.first_of(place)
        era = order.era(index)
        starts = self._starts(place, era)
        collector = Collector(self, lane)
        while True:
            if order.era(index) != era:
                era = order.era(index)
                lane.forget()
                starts = self._starts(place, era)
            version = order.version(index)
            try:
                since = now()
                await self.admission.enter(version)
                lane.admitted(since)
                if self.length:
                    segment = await collector.segment(starts, version=version)
                else:
                    segment = await self._member(collector, index)
                self.streamer.put(index, segment)
            except ClosedError:
                return
            index += order.lanes

    async def _member(self, collector: Collector, index: int) -> Segment:
        """Play the episode of a group that segment `index` is."""
        order = self.order
        number = order.base * order.segments + index
        group = number // order.together
        start = start_of(self.tasks, "train", group, seed=self.seed)
        return await collector.episode(number, start, group=group, version=order.version(index))

    def _starts(self, place: int, era: int) -> Starts:
        """Return the lane's own starts of an era, which no other lane and era has."""
        lanes = self.order.lanes
        return Starts(
            self.tasks, seed=self.seed, ordinal=era * EPISODES * lanes + place, stride=lanes
        )
