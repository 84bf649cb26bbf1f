"""Planted defects: who may start work, what the trainer takes, what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rlvla.core.admission import Admission
from rlvla.core.learner import Learner
from rlvla.core.ledger import Ledger
from rlvla.core.publisher import Publisher
from rlvla.core.run import job_of
from rlvla.core.streamer import Streamer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.segment import Parcel, Segment
    from rlvla.core.settings import Manifest, Phase
    from rlvla.core.workers import Job


class AdmitsOneTooMany(Admission):
    @property
    def capacity(self) -> int:
        return super().capacity + 1


class AdmitsEverybody(Admission):
    """The queue of the trainer has no bound."""

    async def enter(self, decisions: int) -> None:
        self.running += decisions


class ForgetsTheRefund(Admission):
    def cancel(self, decisions: int) -> None:
        del decisions


class CountsWhatIsFinishedAsRunning(Admission):
    def finish(self, decisions: int) -> None:
        self.accepted += decisions


class AdmitsForTheNextVersion(Admission):
    def advance(self, version: int) -> None:
        super().advance(version + 1)


class LeavesLanesWaitingAtTheEnd(Admission):
    def close(self) -> None:
        self._closed = True


class TakesTheNewestFirst(Streamer):
    def _fitting(self, version: int, room: int) -> list[Parcel]:
        del version
        taken: list[Parcel] = []
        for first in sorted(self._done, reverse=True):
            waiting = self._done[first]
            while waiting and len(waiting[0]) <= room:
                room -= len(waiting[0])
                taken.append(waiting.popleft())
            if not waiting:
                del self._done[first]
        return taken


class KeepsNoPlaces(Streamer):
    def _kept(self, version: int, younger: int) -> int:
        del version, younger
        return 0


class LosesASegment(Streamer):
    def put(self, parcel: Parcel) -> None:
        if parcel.segments[0].slots[0] == 3:
            self._shut(parcel.key)
        else:
            super().put(parcel)


class PassesASegmentTwice(Streamer):
    def put(self, parcel: Parcel) -> None:
        super().put(parcel)
        if parcel.segments[0].slots[0] == 3:
            self._done[min(parcel.versions)].append(parcel)


class IgnoresTheRoom(Streamer):
    def _fitting(self, version: int, room: int) -> list[Parcel]:
        return super()._fitting(version, room + self.batch_size)


class WaitsForWhatWasAbandoned(Streamer):
    def abandon(self, key: int) -> None:
        self._open.pop(key, None)


class MissesTheLastSegment(Streamer):
    def _wake(self) -> None:
        if len(self) != 1:
            super()._wake()


class ReleasesBeforeTraining(Learner):
    async def _accumulate(self, segments: list[Segment]) -> None:
        for segment in segments:
            self._release(segment)
        await self.trainer.accumulate(segments)


class LeaksTheBootstrap(Learner):
    def _release(self, segment: Segment) -> None:
        self.free[segment.cell].release(segment.slots)


class TrainsOnTheFirstTwice(Learner):
    async def _accumulate(self, segments: list[Segment]) -> None:
        await super()._accumulate([*segments, segments[0]])


class TrainsWithoutABatch(Learner):
    async def _fill(self) -> int:
        batch_size = self.phase.algorithm.batch_size
        parcels = await self._fresh(batch_size)
        await self._accumulate([segment for parcel in parcels for segment in parcel.segments])
        return batch_size


class ReusesAVersion(Learner):
    def _count(self, decisions: int, seconds: float) -> None:
        super()._count(decisions, seconds)
        if self.progress.updates == 2:
            self.progress.version -= 1


class PatientStreamer(Streamer):
    def __init__(self, *, batch_size: int, max_staleness: int) -> None:
        super().__init__(batch_size=batch_size, max_staleness=max_staleness + 1)


class PatientAdmission(Admission):
    def __init__(self, *, batch_size: int, max_staleness: int, version: int = 0) -> None:
        super().__init__(batch_size=batch_size, max_staleness=max_staleness + 1, version=version)


class TrainsOnStaleData(Learner):
    async def _fresh(self, room: int) -> list[Parcel]:
        return await self.streamer.take(version=self.progress.version, room=room)


class CountsNoCrashes(Ledger):
    def drop(self, decisions: int, reason: str) -> None:
        if reason not in ("crash", "hang"):
            super().drop(decisions, reason)


class CountsADecisionTwice(Ledger):
    def produce(self) -> None:
        super().produce()
        if self.produced == 5:
            super().produce()


class AnnouncesBeforeItIsThere(Publisher):
    async def _publish(self, version: int) -> None:
        for dispatcher in self._dispatchers:
            dispatcher.version = version
        await super()._publish(version)


class AdmitsBeforeItIsThere(Publisher):
    async def _publish(self, version: int) -> None:
        self._admission.advance(version)
        await super()._publish(version)


def with_one_bank(manifest: Manifest, phase: Phase) -> Job:
    """Describe a run that publishes into the weights that generators read."""
    return replace(job_of(manifest, phase), banks=1)


class RollsBack(Publisher):
    async def _publish(self, version: int) -> None:
        await super()._publish(version if version != 3 else 1)


FLOW: Mapping[str, Mapping[str, object]] = {
    "admits one too many": {"schedule:Admission": AdmitsOneTooMany},
    "admits everybody": {"schedule:Admission": AdmitsEverybody},
    "forgets the refund": {"schedule:Admission": ForgetsTheRefund},
    "counts what is finished as running": {"schedule:Admission": CountsWhatIsFinishedAsRunning},
    "admits for the next version": {"schedule:Admission": AdmitsForTheNextVersion},
    "leaves lanes waiting at the end": {"schedule:Admission": LeavesLanesWaitingAtTheEnd},
    "takes the newest first": {"schedule:Streamer": TakesTheNewestFirst},
    "keeps no places for older segments": {"schedule:Streamer": KeepsNoPlaces},
    "loses a segment": {"schedule:Streamer": LosesASegment},
    "passes a segment twice": {"schedule:Streamer": PassesASegmentTwice},
    "ignores the room in the batch": {"schedule:Streamer": IgnoresTheRoom},
    "waits for what was abandoned": {"schedule:Streamer": WaitsForWhatWasAbandoned},
    "misses a wake-up": {"schedule:Streamer": MissesTheLastSegment},
    "releases slots before training": {"pipeline:Learner": ReleasesBeforeTraining},
    "leaks the bootstrap": {"pipeline:Learner": LeaksTheBootstrap},
    "trains on a segment twice": {"pipeline:Learner": TrainsOnTheFirstTwice},
    "trains on less than a batch": {"pipeline:Learner": TrainsWithoutABatch},
    "reuses a version": {"pipeline:Learner": ReusesAVersion},
    "trains on stale data": {
        "schedule:Streamer": PatientStreamer,
        "schedule:Admission": PatientAdmission,
        "pipeline:Learner": TrainsOnStaleData,
    },
    "does not count crashes": {"pipeline:Ledger": CountsNoCrashes},
    "counts a decision twice": {"pipeline:Ledger": CountsADecisionTwice},
    "announces a version before it is there": {"pipeline:Publisher": AnnouncesBeforeItIsThere},
    "admits for a version before it is there": {"pipeline:Publisher": AdmitsBeforeItIsThere},
    "tears the weights that are read": {"runtime.virtual.simulation:job_of": with_one_bank},
    "rolls a version back": {"pipeline:Publisher": RollsBack},
}
