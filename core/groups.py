"""Which episode of which group comes next, and which groups are complete."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rlvla.core.errors import TrainingError
from rlvla.core.segment import Group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.admission import Admission
    from rlvla.core.ledger import Ledger
    from rlvla.core.segment import Grouping, Segment
    from rlvla.core.slots import FreeSlots
    from rlvla.core.starts import Starts
    from rlvla.core.streamer import Streamer
    from rlvla.core.types import Start

PATIENCE = 32
"""Batches' worth of groups in a row that may be dropped before the run gives up."""


class Member(NamedTuple):
    """One episode of a group."""

    group: int
    """Ordinal of the start."""
    number: int
    """Of the episode: it decides the sampling noise."""
    start: Start
    version: int
    """Of the weights when the group was opened; no decision of it is older."""


@dataclass(kw_only=True)
class Groups:
    """Hands out the episodes of one start after the other, those that were lost first.

    A group is opened with its first episode. From then on the streamer keeps places for all of
    it, and it is handed over when its last episode is there, whoever made them. Whoever asks for
    an episode was admitted for it: admission counts episodes and batches are whole groups, so
    whoever may open one leaves room for the rest of it.
    """

    grouping: Grouping
    starts: Starts
    admission: Admission
    streamer: Streamer
    ledger: Ledger
    free: Mapping[int, FreeSlots]
    """Of each cell."""
    _next: deque[Member] = field(default_factory=deque["Member"])
    _done: dict[int, dict[Member, tuple[Segment, float]]] = field(
        default_factory=dict[int, "dict[Member, tuple[Segment, float]]"]
    )
    """Of each open group, the episodes that are there, with their returns."""
    _dropped: int = 0
    """Groups in a row."""

    def join(self, version: int) -> Member:
        """Return an episode to play; `version` is that of the weights that the lane will get."""
        if not self._next:
            self._open(version)
        return self._next.popleft()

    def lose(self, member: Member) -> None:
        """Note that an episode came to nothing: whoever asks next plays it again."""
        self._next.appendleft(member)

    def finish(self, member: Member, segment: Segment, returned: float) -> None:
        """Note that an episode is over; its rewards add up to `returned`."""
        done = self._done[member.group]
        done[member] = (segment, returned)
        if len(done) < self.grouping.size:
            return
        del self._done[member.group]
        segments, returns = zip(*(done[one] for one in sorted(done, key=_number)), strict=True)
        if self.grouping.keeps(returns):
            self._dropped = 0
            self.streamer.put(Group(member.group, segments))
        else:
            self._drop(member.group, segments)

    def _open(self, version: int) -> None:
        size = self.grouping.size
        group, start = self.starts.next()
        self._next.extend(Member(group, group * size + one, start, version) for one in range(size))
        self._done[group] = {}
        self.streamer.open(group, version=version, places=size)

    def _drop(self, group: int, segments: tuple[Segment, ...]) -> None:
        for segment in segments:
            self.ledger.drop(len(segment), "filtered")
            self.free[segment.cell].release(segment.slots)
        self.streamer.abandon(group)
        self.admission.refund(len(segments))
        self._dropped += 1
        batch = self.admission.batch_size // self.grouping.size
        if self._dropped >= PATIENCE * batch:
            low, high = self.grouping.low, self.grouping.high
            raise TrainingError(
                f"the last {self._dropped} groups in a row had a mean return outside [{low:g}, "
                f"{high:g}], so there is nothing to learn from: widen the algorithm's bounds, or "
                "begin with a policy that succeeds now and then"
            )


def _number(member: Member) -> int:
    return member.number
