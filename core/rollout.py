"""Rollout: lanes that produce segments for the trainer, each at its own pace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.clock import now
from rlvla.core.errors import ClosedError, LaneLostError
from rlvla.core.lane import be_patient
from rlvla.core.types import Segment

if TYPE_CHECKING:
    from rlvla.core.admission import Admission
    from rlvla.core.lane import Lane
    from rlvla.core.ledger import Ledger
    from rlvla.core.metrics import Metrics
    from rlvla.core.starts import Starts
    from rlvla.core.streamer import Streamer
    from rlvla.core.types import Outcome


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What the training lanes share."""

    admission: Admission
    streamer: Streamer
    ledger: Ledger
    starts: Starts
    metrics: Metrics
    length: int
    """Decisions of a segment."""
    temperature: float
    seed: int

    async def run(self, lane: Lane) -> None:
        """Produce segments until admission closes."""
        losses = 0
        collector = _Collector(self, lane)
        while True:
            try:
                since = now()
                await self.admission.enter(self.length)
                lane.admitted(since)
                await collector.segment()
                losses = 0
            except ClosedError:
                return
            except LaneLostError as lost:
                losses += 1
                collector.drop(lost.reason)
                self.streamer.abandon(lane.number)
                self.admission.cancel(self.length)
                await be_patient(losses, lost)


class _Collector:
    """Grows the segments of one lane."""

    def __init__(self, rollout: Rollout, lane: Lane) -> None:
        self._shared = rollout
        self._lane = lane
        self._reward = 0.0
        self._slots: list[int] = []
        self._bootstrap: list[int] = []
        self._versions: list[int] = []

    async def segment(self) -> None:
        """Produce one segment and hand it over."""
        shared, lane = self._shared, self._lane
        shared.streamer.open(lane.number, version=lane.version, decisions=shared.length)
        with lane.taking_part():
            while len(self._slots) < shared.length:
                await self._decision()
        if lane.slot >= 0:
            self._bootstrap[-1] = lane.slot
            lane.free.hold(lane.slot)
        slots, bootstrap, versions = map(tuple, (self._slots, self._bootstrap, self._versions))
        self._clear()
        shared.admission.finish(shared.length)
        shared.streamer.put(Segment(lane.number, slots, bootstrap, versions, lane.free.cell))

    def drop(self, reason: str) -> None:
        """Give up the segment and the episode."""
        self._shared.ledger.drop(len(self._versions), reason)
        self._lane.free.release([*self._slots, *self._bootstrap])
        self._clear()
        self._lane.forget()

    async def _decision(self) -> None:
        shared, lane = self._shared, self._lane
        if lane.slot < 0:
            ordinal, start = shared.starts.next()
            self._reward = 0.0
            await lane.begin(start, seed=shared.seed, episode=ordinal)
        self._versions.append(await lane.decide(shared.temperature))
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
