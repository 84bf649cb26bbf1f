"""How a lane's decisions become segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.types import Segment

if TYPE_CHECKING:
    from rlvla.core.lane import Lane
    from rlvla.core.ledger import Ledger
    from rlvla.core.metrics import Metrics
    from rlvla.core.starts import Starts
    from rlvla.core.types import Outcome


@dataclass(frozen=True, kw_only=True)
class Collecting:
    """What the training lanes share."""

    ledger: Ledger
    metrics: Metrics
    length: int
    """Decisions of a segment."""
    temperature: float
    seed: int


class Collector:
    """Grows the segments of one lane, whose episodes begin from `starts`."""

    def __init__(self, shared: Collecting, lane: Lane, starts: Starts) -> None:
        self.starts = starts
        self._shared = shared
        self._lane = lane
        self._reward = 0.0
        self._slots: list[int] = []
        self._bootstrap: list[int] = []
        self._versions: list[int] = []

    async def segment(self, version: int = -1) -> Segment:
        """Produce one segment; `version` as in a `Request`."""
        lane = self._lane
        with lane.taking_part():
            while len(self._slots) < self._shared.length:
                await self._decision(version)
        if lane.slot >= 0:
            self._bootstrap[-1] = lane.slot
            lane.free.hold(lane.slot)
        slots, bootstrap, versions = map(tuple, (self._slots, self._bootstrap, self._versions))
        self._clear()
        return Segment(lane.number, slots, bootstrap, versions, lane.free.cell)

    def drop(self, reason: str) -> None:
        """Give up the segment and the episode."""
        self._shared.ledger.drop(len(self._versions), reason)
        self._lane.free.release([*self._slots, *self._bootstrap])
        self._clear()
        self._lane.forget()

    async def _decision(self, version: int) -> None:
        shared, lane = self._shared, self._lane
        if lane.slot < 0:
            ordinal, start = self.starts.next()
            self._reward = 0.0
            await lane.begin(start, seed=shared.seed, episode=ordinal)
        self._versions.append(await lane.decide(shared.temperature, version=version))
        shared.ledger.produce()
        slot, outcome = await lane.advance()
        self._slots.append(slot)
        self._bootstrap.append(-1)
        self._reward += outcome.reward
        shared.metrics.step(outcome.steps)
        if outcome.done:
            self._finish(outcome)

    def _finish(self, outcome: Outcome) -> None:
        shared, lane = self._shared, self._lane
        if not outcome.terminated:
            self._bootstrap[-1] = lane.slot
            lane.free.hold(lane.slot)
        shared.metrics.episode(success=outcome.success, steps=lane.steps, reward=self._reward)
        lane.forget()

    def _clear(self) -> None:
        self._slots, self._bootstrap, self._versions = [], [], []
