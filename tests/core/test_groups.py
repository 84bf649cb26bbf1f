from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvla.core.admission import Admission
from rlvla.core.errors import ClosedError, TrainingError
from rlvla.core.groups import Groups
from rlvla.core.ledger import Ledger
from rlvla.core.segment import Group, Grouping, Segment
from rlvla.core.slots import FreeSlots
from rlvla.core.starts import Starts
from rlvla.core.streamer import Streamer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.groups import Member

TASKS = ("reach", "push")


@dataclass(frozen=True)
class Case:
    size: int
    groups: int
    """Of a batch."""
    max_staleness: int
    lanes: int
    loss: float
    """Probability that a decision loses the episode."""
    success: float
    """Probability that an episode succeeds."""
    selects: bool
    """Groups that all succeed or all fail are dropped."""
    seed: int
    first: int
    """Version at the begin."""

    @property
    def grouping(self) -> Grouping:
        share = 1 / self.size / 2
        return (
            Grouping(size=self.size, low=share, high=1 - share)
            if self.selects
            else (Grouping(size=self.size))
        )


CASES = st.builds(
    Case,
    size=st.integers(2, 5),
    groups=st.integers(1, 4),
    max_staleness=st.integers(0, 4),
    lanes=st.integers(1, 12),
    loss=st.sampled_from([0.0, 0.05, 0.2]),
    success=st.sampled_from([0.3, 0.5]),
    selects=st.booleans(),
    seed=st.integers(0, 2**32),
    first=st.sampled_from([0, 9]),
)
UPDATES = 8


class Rooms:
    """Groups, admission and streamer between lanes of very different pace and a trainer."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.batch_size = case.size * case.groups
        self.admission = Admission(
            batch_size=self.batch_size, max_staleness=case.max_staleness, version=case.first
        )
        self.streamer = Streamer(batch_size=self.batch_size, max_staleness=case.max_staleness)
        self.random = random.Random(case.seed)
        self.ledger = Ledger()
        self.free = FreeSlots(10**6)
        self.groups = Groups(
            grouping=case.grouping,
            starts=Starts(TASKS, seed=1),
            admission=self.admission,
            streamer=self.streamer,
            ledger=self.ledger,
            free={0: self.free},
        )
        self.played: Counter[int] = Counter()
        """Number of an episode to how often it was finished."""
        self.lost = 0
        self.trained: list[Group] = []

    async def lane(self, number: int) -> None:
        pace = self.random.choice((0.001, 0.1, 1.0, 1000.0))
        while True:
            try:
                await self.admission.enter(1)
            except ClosedError:
                return
            await self._episode(number, pace)

    async def _episode(self, number: int, pace: float) -> None:
        version = self.admission.version
        member = self.groups.join(version)
        assert member.version <= version
        slots: list[int] = []
        versions: list[int] = []
        for _ in range(self.random.randint(1, 4)):
            slots.append(self.free.take())
            versions.append(self.random.randint(version, self.admission.version))
            self.ledger.produce()
            await asyncio.sleep(self.random.expovariate(1 / pace))
            if self.random.random() < self.case.loss:
                self._lose(member, slots)
                return
        self.admission.finish(1)
        self.played[member.number] += 1
        none = (-1,) * len(slots)
        segment = Segment(number, tuple(slots), none, tuple(versions), group=member.group)
        self.groups.finish(member, segment, float(self.random.random() < self.case.success))

    def _lose(self, member: Member, slots: list[int]) -> None:
        self.lost += 1
        self.ledger.drop(len(slots), "crash")
        self.free.release(slots)
        self.groups.lose(member)
        self.admission.cancel(1)

    async def update(self) -> None:
        room = self.batch_size
        version = self.admission.version
        while room:
            for one in await self.streamer.take(version=version, room=room):
                assert isinstance(one, Group)
                room -= len(one)
                assert version - min(one.versions) <= self.case.max_staleness
                self.trained.append(one)
                self.ledger.train(len(one.versions))
                self.free.release(slot for segment in one.segments for slot in segment.slots)
        assert room == 0
        await asyncio.sleep(self.random.choice((0.001, 10.0)))
        self.admission.advance(version + 1)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(self.case.lanes):
                group.create_task(self.lane(number))
            for _ in range(UPDATES):
                await self.update()
            self.admission.close()
        self._check()

    def _check(self) -> None:
        size = self.case.size
        assert max(self.played.values()) == 1, "an episode is finished once, however often lost"
        assert len(self.trained) == UPDATES * self.case.groups
        assert len({one.key for one in self.trained}) == len(self.trained)
        for one in self.trained:
            assert [segment.group for segment in one.segments] == [one.key] * size
            members = range(one.key * size, (one.key + 1) * size)
            assert all(self.played[number] == 1 for number in members)
        assert self.admission.running == 0
        assert self.ledger.balanced()
        assert set(self.ledger.dropped) <= {"crash", "filtered"}
        assert bool(self.ledger.dropped["crash"]) == bool(self.lost)
        assert not self.ledger.dropped["filtered"] or self.case.selects
        used = 10**6 - len(self.free)
        assert used == self.ledger.in_flight, "what was dropped or trained on holds no slot"


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(case=CASES)
def test_groups_come_complete_and_in_time_whatever_is_lost_or_dropped(
    virtually: Callable[..., object], case: Case
) -> None:
    virtually(Rooms(case).run())


def _groups(grouping: Grouping, *, batch_size: int = 4) -> tuple[Groups, Streamer, Admission]:
    admission = Admission(batch_size=batch_size, max_staleness=0)
    streamer = Streamer(batch_size=batch_size, max_staleness=0)
    groups = Groups(
        grouping=grouping,
        starts=Starts(TASKS, seed=1, ordinal=6),
        admission=admission,
        streamer=streamer,
        ledger=Ledger(),
        free={0: FreeSlots(100)},
    )
    return groups, streamer, admission


def _played(groups: Groups, member: Member, returned: float) -> None:
    groups.ledger.produce()
    slot = groups.free[0].take()
    segment = Segment(3, (slot,), (-1,), (0,), group=member.group)
    groups.finish(member, segment, returned)


def test_a_start_is_handed_out_once_for_each_episode_of_its_group() -> None:
    groups, _, _ = _groups(Grouping(size=3))
    members = [groups.join(version) for version in (4, 4, 5, 5)]
    assert [one.number for one in members] == [18, 19, 20, 21]
    assert [one.group for one in members] == [6, 6, 6, 7]
    assert [(one.start.task, one.start.index) for one in members] == [("reach", 3)] * 3 + [
        ("push", 3)
    ]
    assert [one.version for one in members] == [4, 4, 4, 5], "of the weights that opened it"


def test_what_was_lost_is_played_first_and_by_whoever_asks() -> None:
    groups, streamer, _ = _groups(Grouping(size=2))
    first, second, third = (groups.join(0) for _ in range(3))
    groups.lose(first)
    assert groups.join(0) == first
    _played(groups, second, 1.0)
    _played(groups, third, 1.0)
    assert len(streamer) == 0
    _played(groups, first, 1.0)
    assert len(streamer) == 1


def test_episodes_of_a_group_come_in_the_order_of_their_numbers(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        groups, streamer, _ = _groups(Grouping(size=3), batch_size=3)
        members = [groups.join(0) for _ in range(3)]
        for member in (members[2], members[0], members[1]):
            _played(groups, member, 0.0)
        (group,) = await streamer.take(version=0, room=3)
        assert [segment.slots for segment in group.segments] == [(1,), (2,), (0,)]

    virtually(main())


@pytest.mark.parametrize(
    ("returns", "kept"), [((0.0, 0.0), False), ((0.0, 1.0), True), ((1.0, 1.0), False)]
)
def test_a_group_whose_mean_is_out_of_bounds_is_dropped_and_refunded(
    virtually: Callable[..., object], returns: tuple[float, float], kept: bool
) -> None:
    async def main() -> None:
        groups, streamer, admission = _groups(Grouping(size=2, low=0.1, high=0.9))
        for returned in returns:
            await admission.enter(1)
            admission.finish(1)
            _played(groups, groups.join(0), returned)
        assert len(streamer) == kept
        assert admission.capacity == (2 if kept else 4)
        assert groups.ledger.dropped == ({} if kept else {"filtered": 2})
        assert len(groups.free[0]) == (98 if kept else 100)

    virtually(main())


def test_a_run_in_which_no_group_passes_ends() -> None:
    groups, _, _ = _groups(Grouping(size=2, low=0.1, high=0.9))
    for _ in range(127):
        _played(groups, groups.join(0), 1.0)
    with pytest.raises(TrainingError, match=r"last 64 groups .* outside \[0.1, 0.9\], so there"):
        _played(groups, groups.join(0), 1.0)
