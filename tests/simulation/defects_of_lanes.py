"""Planted defects: lanes, their segments and slots, and the workers they ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.collector import Collector
from rlvla.core.errors import ClosedError, LaneLostError
from rlvla.core.gather import Gather
from rlvla.core.lane import Lane
from rlvla.core.rollout import Rollout
from rlvla.core.slots import FreeSlots

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping

    from rlvla.core.types import Outcome, Start


class ForgetsLostLanes(Rollout):
    async def run(self, lane: Lane) -> None:
        collector = Collector(self, lane)
        try:
            while True:
                await self.admission.enter(self.length)
                self.streamer.open(lane.number, version=lane.version, places=self.length)
                segment = await collector.segment(self.starts)
                self.admission.finish(self.length)
                self.streamer.put(segment)
        except ClosedError:
            return
        except LaneLostError as lost:
            collector.drop(lost.reason)
            self.streamer.abandon(lane.number)
            self.admission.cancel(self.length)


class GoesOnInALostEpisode(Collector):
    def drop(self, reason: str) -> None:
        self._shared.ledger.drop(len(self._versions), reason)
        self._lane.free.release([*self._slots, *self._bootstrap])
        self._clear()


class LeaksWhatIsLost(Collector):
    def drop(self, reason: str) -> None:
        self._shared.ledger.drop(len(self._versions), reason)
        self._clear()
        self._lane.forget()


class DropsUncounted(Collector):
    def drop(self, reason: str) -> None:
        self._versions.clear()
        super().drop(reason)


class CutsSegmentsAtTheEndOfAnEpisode(Collector):
    async def _decision(self, version: int) -> None:
        await super()._decision(version)
        if self._lane.slot < 0:
            missing = self._shared.length - len(self._slots)
            self._slots += self._slots[-1:] * missing
            self._bootstrap += [-1] * missing
            self._versions += self._versions[-1:] * missing


class BootstrapsFromTheNextEpisode(Collector):
    """The classic: what follows a truncation is taken from the row that comes after."""

    _after_truncation = False

    async def _begin(self, number: int, start: Start) -> None:
        self._after_truncation = bool(self._slots) and self._bootstrap[-1] >= 0
        await super()._begin(number, start)

    async def _decision(self, version: int) -> None:
        after_truncation, self._after_truncation = self._after_truncation, False
        await super()._decision(version)
        if after_truncation and len(self._slots) > 1:
            wrong = self._slots[-1]
            self._lane.free.release([self._bootstrap[-2]])
            self._lane.free.hold(wrong)
            self._bootstrap[-2] = wrong


class NoBootstrap(Collector):
    def _finish(self, outcome: Outcome) -> None:
        shared, lane = self._shared, self._lane
        shared.metrics.episode(success=outcome.success, steps=lane.steps, reward=self.returned)
        lane.forget()


class DoesNotHoldTheBootstrap(Collector):
    def _finish(self, outcome: Outcome) -> None:
        super()._finish(outcome)
        self._lane.free.release(self._bootstrap[-1:])


class AsksForAnotherSlot(Lane):
    """It sends the slot of its previous request."""

    _asked = -1

    async def decide(self, temperature: float, *, version: int = -1) -> int:
        mine, self._asked = self.slot, self.slot if self._asked < 0 else self._asked
        self.slot, self._asked = self._asked, mine
        try:
            return await super().decide(temperature, version=version)
        finally:
            self.slot = mine


class ExecutesTwice(Lane):
    async def advance(self, *, expert: bool = False) -> tuple[int, Outcome]:
        before = self.slot
        decided = await super().advance(expert=expert)
        if self.steps == 2:
            await self._shard.step(self.number, before, into=self.slot)
        return decided


class ReusesItsSlot(Lane):
    """It does not take a row for the next observation while the old one is needed."""

    async def advance(self, *, expert: bool = False) -> tuple[int, Outcome]:
        del expert
        outcome = await self._shard.step(self.number, self.slot, into=self.slot)
        self.steps += outcome.steps
        self.free.hold(self.slot)
        return self.slot, outcome


class FreesWhatOthersHold(FreeSlots):
    def release(self, slots: Iterable[int]) -> None:
        for slot in {*slots} - {-1}:
            if self._holders.pop(slot, 0):
                self._free.append(slot)

    def hold(self, slot: int) -> None:
        self._holders.setdefault(slot, 1)


class KeepsLanesActive(Gather):
    """Lanes that wait for decisions wait for those that wait for them to step."""

    def _ask(self, asked: object, lane: int, what: object) -> asyncio.Future[object]:
        answer: asyncio.Future[object] = super()._ask(asked, lane, what)  # type: ignore[arg-type]
        if lane in self._members:
            self._dispatcher.join(lane)
        return answer


LANES: Mapping[str, Mapping[str, object]] = {
    "forgets a lane that was lost": {"schedule:Rollout": ForgetsLostLanes},
    "goes on in a lost episode": {"rollout:Collector": GoesOnInALostEpisode},
    "leaks the slots of what is lost": {"rollout:Collector": LeaksWhatIsLost},
    "drops decisions uncounted": {"rollout:Collector": DropsUncounted},
    "fills up short segments": {"rollout:Collector": CutsSegmentsAtTheEndOfAnEpisode},
    "bootstraps from the next episode": {"rollout:Collector": BootstrapsFromTheNextEpisode},
    "does not bootstrap": {"rollout:Collector": NoBootstrap},
    "does not hold the bootstrap": {"rollout:Collector": DoesNotHoldTheBootstrap},
    "asks for another slot": {"crew:Lane": AsksForAnotherSlot},
    "executes a decision twice": {"crew:Lane": ExecutesTwice},
    "overwrites an observation that is needed": {"crew:Lane": ReusesItsSlot},
    "frees what others hold": {"crew:FreeSlots": FreesWhatOthersHold},
    "waits in a circle": {"crew:Gather": KeepsLanesActive},
}
