"""Rollout of algorithms that compare episodes: lanes that play the members of groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rlvla.core.collector import Collecting, Collector
from rlvla.core.errors import LaneLostError
from rlvla.core.production import produce

if TYPE_CHECKING:
    from rlvla.core.admission import Admission
    from rlvla.core.groups import Groups
    from rlvla.core.lane import Lane


@dataclass(frozen=True, kw_only=True)
class GroupRollout(Collecting):
    """Who comes first is admitted first; an episode that is lost is played again by whoever is
    free next."""

    admission: Admission
    groups: Groups
    consistent: bool
    """All decisions of a group are made with the weights that there were when it was opened."""

    async def run(self, lane: Lane) -> None:
        """Play episodes until admission closes."""
        await produce(self.admission, lane, 1, partial(self._play, lane, Collector(self, lane)))

    async def _play(self, lane: Lane, collector: Collector) -> None:
        member = self.groups.join(lane.version)
        version = member.version if self.consistent else -1
        try:
            segment = await collector.episode(
                member.number, member.start, group=member.group, version=version
            )
        except LaneLostError as lost:
            collector.drop(lost.reason)
            self.groups.lose(member)
            raise
        self.admission.finish(1)
        self.groups.finish(member, segment, collector.returned)
