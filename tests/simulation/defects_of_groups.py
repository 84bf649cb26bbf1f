"""Planted defects: which episodes are a group, and what becomes of one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rlvla.core.collector import Collector
from rlvla.core.group_rollout import GroupRollout
from rlvla.core.groups import Groups
from rlvla.core.ordered import OrderedStreamer
from rlvla.core.run import job_of
from rlvla.core.segment import Group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.groups import Member
    from rlvla.core.lane import Lane
    from rlvla.core.segment import Segment
    from rlvla.core.settings import Manifest, Phase
    from rlvla.core.types import Start
    from rlvla.core.workers import Job


class LosesAGroup(Groups):
    def finish(self, member: Member, segment: Segment, returned: float) -> None:
        if member.group != 1:
            super().finish(member, segment, returned)


class HandsOverIncompleteGroups(Groups):
    def finish(self, member: Member, segment: Segment, returned: float) -> None:
        done = self._done[member.group]
        done[member] = (segment, returned)
        if len(done) == self.grouping.size - 1:
            self.streamer.put(Group(member.group, tuple(one for one, _ in done.values())))


class WaitsForOneTooFew(Groups):
    """What comes last of a group is thrown away, but its slots and places are given back."""

    def finish(self, member: Member, segment: Segment, returned: float) -> None:
        done = self._done[member.group]
        if len(done) == self.grouping.size - 1:
            self.ledger.drop(len(segment), "crash")
            self.free[segment.cell].release(segment.slots)
            self.streamer.put(Group(member.group, tuple(one for one, _ in done.values())))
            return
        done[member] = (segment, returned)


class TakesInAStranger(Groups):
    """The last episode of a group begins where those of the next do."""

    def join(self, version: int) -> Member:
        member = super().join(version)
        if member.number % self.grouping.size == self.grouping.size - 1:
            return member._replace(start=replace(member.start, index=member.start.index + 1))
        return member


class SwapsEpisodes(Groups):
    """Episodes go into the group that is full first."""

    def finish(self, member: Member, segment: Segment, returned: float) -> None:
        fullest = max(self._done, key=lambda group: len(self._done[group]))
        super().finish(member._replace(group=fullest), segment, returned)


class ForgetsWhatWasLost(Groups):
    def lose(self, member: Member) -> None:
        pass


class OpensAnotherForWhatWasLost(Groups):
    def lose(self, member: Member) -> None:
        self._open(member.version)


class KeepsPlacesForOne(Groups):
    def _open(self, version: int) -> None:
        super()._open(version)
        group = max(self._done)
        self.streamer.abandon(group)
        self.streamer.open(group, version=version, places=1)


class ForgetsPlacesOfDropped(Groups):
    def _drop(self, group: int, segments: tuple[Segment, ...]) -> None:
        super()._drop(group, segments)
        self.streamer.open(group, version=0, places=len(segments))


class DropsWithoutRefund(Groups):
    def _drop(self, group: int, segments: tuple[Segment, ...]) -> None:
        super()._drop(group, segments)
        self.admission.accepted += len(segments)


class DropsUncounted(Groups):
    def _drop(self, group: int, segments: tuple[Segment, ...]) -> None:
        super()._drop(group, segments)
        self.ledger.dropped["filtered"] -= 1


class LeaksWhatItDrops(Groups):
    def _drop(self, group: int, segments: tuple[Segment, ...]) -> None:
        for segment in segments:
            for slot in segment.slots:
                self.free[segment.cell].hold(slot)
        super()._drop(group, segments)


class IgnoresTheVersion(GroupRollout):
    """Decisions are made by whatever is newest although one version was asked for."""

    async def _play(self, lane: Lane, collector: Collector) -> None:
        object.__setattr__(self, "consistent", False)  # it is frozen
        await super()._play(lane, collector)


class AdmitsForGroups(GroupRollout):
    """Who loses an episode was never admitted."""

    async def _play(self, lane: Lane, collector: Collector) -> None:
        await super()._play(lane, collector)
        self.admission.accepted -= 1


class RepeatsTheNoise(Collector):
    """Of two episodes one has the noise of the other."""

    async def episode(self, number: int, start: Start, *, group: int, version: int = -1) -> Segment:
        return await super().episode(number - number % 2, start, group=group, version=version)


class CutsEpisodes(Collector):
    """An episode is over after three decisions, whatever the simulator says."""

    async def episode(self, number: int, start: Start, *, group: int, version: int = -1) -> Segment:
        with self._lane.taking_part():
            await self._begin(number, start)
            while self._lane.slot >= 0 and len(self._slots) < 3:
                await self._decision(version)
        self._lane.forget()
        return self._taken(group)


class GoesOnInALostEpisode(Collector):
    """What came before the loss stays in the segment."""

    def drop(self, reason: str) -> None:
        del reason
        self._lane.forget()


class OrderedByArrival(OrderedStreamer):
    """A group is made of whatever is there."""

    def _following(self) -> Segment | Group | None:
        if len(self._done) < self._together:
            return None
        segments = tuple(self._done.pop(one) for one in sorted(self._done)[: self._together])
        return segments[0] if self._together == 1 else Group(segments[0].group, segments)


def with_two_banks(manifest: Manifest, phase: Phase) -> Job:
    """Describe a run that keeps no weights but the newest."""
    return replace(job_of(manifest, phase), banks=2)


GROUPS: Mapping[str, Mapping[str, object]] = {
    "loses a group": {"schedule:Groups": LosesAGroup},
    "trains on incomplete groups": {"schedule:Groups": HandsOverIncompleteGroups},
    "does not wait for the last of a group": {"schedule:Groups": WaitsForOneTooFew},
    "takes in an episode of another start": {"schedule:Groups": TakesInAStranger},
    "puts episodes into the wrong group": {"schedule:Groups": SwapsEpisodes},
    "forgets an episode that was lost": {"schedule:Groups": ForgetsWhatWasLost},
    "opens a group for an episode that was lost": {"schedule:Groups": OpensAnotherForWhatWasLost},
    "gives all of a group the same noise": {"group_rollout:Collector": RepeatsTheNoise},
    "keeps places for one episode of a group": {"schedule:Groups": KeepsPlacesForOne},
    "keeps places for a dropped group": {"schedule:Groups": ForgetsPlacesOfDropped},
    "does not refund a dropped group": {"schedule:Groups": DropsWithoutRefund},
    "drops groups uncounted": {"schedule:Groups": DropsUncounted},
    "leaks the slots of a dropped group": {"schedule:Groups": LeaksWhatItDrops},
    "mixes versions in a group": {"schedule:GroupRollout": IgnoresTheVersion},
    "does not count finished episodes": {"schedule:GroupRollout": AdmitsForGroups},
    "cuts episodes": {"group_rollout:Collector": CutsEpisodes},
    "goes on in a lost episode of a group": {"group_rollout:Collector": GoesOnInALostEpisode},
    "makes groups of whatever is there": {"schedule:OrderedStreamer": OrderedByArrival},
    "keeps only the newest weights": {"runtime.virtual.simulation:job_of": with_two_banks},
}
