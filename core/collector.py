"""How a lane's decisions become segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.segment import Segment

if TYPE_CHECKING:
    from rlvla.core.lane import Lane
    from rlvla.core.ledger import Ledger
    from rlvla.core.metrics import Metrics
    from rlvla.core.starts import Starts
    from rlvla.core.types import Outcome, Start


@dataclass(frozen=True, kw_only=True)
class Collecting:
    """What the training lanes share."""

    ledger: Ledger
    metrics: Metrics
    length: int
    """Decisions of a segment; 0 if it is a whole episode."""
    temperature: float
    seed: int


class Collector:
    """Grows the segments of one lane."""

    def __init__(self, shared: Collecting, lane: Lane) -> None:
        self._shared = shared
        self._lane = lane
        self.returned = 0.0
        """Sum of the rewards of the present or latest episode."""
        self._slots: list[int] = []
        self._bootstrap: list[int] = []
        self._versions: list[int] = []

    async def segment(self, starts: Starts, *, version: int = -1) -> Segment:
        """Produce one segment, whose episodes begin from `starts`; `version` as in a `Request`."""
        lane = self._lane
        with lane.taking_part():
            while len(self._slots) < self._shared.length:
                if lane.slot < 0:
                    await self._begin(*starts.next())
                await self._decision(version)
        if lane.slot >= 0:
            self._bootstrap[-1] = lane.slot
            lane.free.hold(lane.slot)
        return self._taken(-1)

    async def episode(self, number: int, start: Start, *, group: int, version: int = -1) -> Segment:
        """Produce the whole episode `number`; no return goes on beyond it."""
        with self._lane.taking_part():
            await self._begin(number, start)
            while self._lane.slot >= 0:
                await self._decision(version)
        return self._taken(group)

    def drop(self, reason: str) -> None:
        """Give up the segment and the episode."""
        self._shared.ledger.drop(len(self._versions), reason)
        self._lane.free.release([*self._slots, *self._bootstrap])
        self._clear()
        self._lane.forget()

    async def _begin(self, number: int, start: Start) -> None:
        self.returned = 0.0
        await self._lane.begin(start, seed=self._shared.seed, episode=number)

    async def _decision(self, version: int) -> None:
        shared, lane = self._shared, self._lane
        made = await lane.decide(shared.temperature, version=version)
        lane.free.decided(lane.slot, lane=lane.number, version=made)
        self._versions.append(made)
        shared.ledger.produce()
        slot, outcome = await lane.advance()
        self._slots.append(slot)
        self._bootstrap.append(-1)
        self.returned += outcome.reward
        shared.metrics.step(outcome.steps)
        if outcome.done:
            self._finish(outcome)

    def _finish(self, outcome: Outcome) -> None:
        shared, lane = self._shared, self._lane
        if shared.length and not outcome.terminated:
            self._bootstrap[-1] = lane.slot
            lane.free.hold(lane.slot)
        shared.metrics.episode(success=outcome.success, steps=lane.steps, reward=self.returned)
        lane.forget()

    def _taken(self, group: int) -> Segment:
        slots, bootstrap, versions = map(tuple, (self._slots, self._bootstrap, self._versions))
        self._clear()
        lane = self._lane
        return Segment(lane.number, slots, bootstrap, versions, lane.free.cell, group)

    def _clear(self) -> None:
        self._slots, self._bootstrap, self._versions = [], [], []
