from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvla.core.admission import Admission
from rlvla.core.errors import ClosedError
from rlvla.core.segment import Segment
from rlvla.core.streamer import Streamer

if TYPE_CHECKING:
    from collections.abc import Callable


def _segment(lane: int, *versions: int) -> Segment:
    length = len(versions)
    return Segment(lane, tuple(range(length)), (-1,) * length, versions)


async def _soon(streamer: Streamer, *, version: int, room: int) -> list[int]:
    """Return the lanes of the segments that can be taken at once."""
    task = asyncio.create_task(streamer.take(version=version, room=room))
    await asyncio.sleep(1)
    if task.done():
        return [segment.lane for parcel in task.result() for segment in parcel.segments]
    task.cancel()
    return []


def test_the_oldest_version_goes_first_and_a_segment_is_never_split(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        streamer = Streamer(batch_size=6, max_staleness=2)
        for lane, versions in enumerate([(2, 2), (1, 2), (0, 1), (1, 1)]):
            streamer.open(lane, version=versions[0], places=2)
            streamer.put(_segment(lane, *versions))
        assert len(streamer) == 4
        assert await _soon(streamer, version=2, room=1) == []
        assert await _soon(streamer, version=2, room=5) == [2, 1]
        assert await _soon(streamer, version=2, room=1) == []
        assert await _soon(streamer, version=2, room=99) == [3, 0]
        assert len(streamer) == 0

    virtually(main())


def test_a_place_is_kept_for_a_segment_that_would_be_too_old_for_the_next_batch(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        streamer = Streamer(batch_size=4, max_staleness=1)
        for lane, version in enumerate([0, 1, 1]):
            streamer.open(lane, version=version, places=2)
        streamer.put(_segment(1, 1, 1))
        streamer.put(_segment(2, 1, 1))
        assert await _soon(streamer, version=1, room=4) == [1]
        assert await _soon(streamer, version=1, room=2) == []
        streamer.put(_segment(0, 0, 1))
        assert await _soon(streamer, version=1, room=2) == [0]

    virtually(main())


def test_an_abandoned_segment_gives_its_place_back(virtually: Callable[..., object]) -> None:
    async def main() -> None:
        streamer = Streamer(batch_size=2, max_staleness=1)
        streamer.open(0, version=0, places=2)
        streamer.open(1, version=1, places=2)
        streamer.put(_segment(1, 1, 1))
        taking = asyncio.create_task(streamer.take(version=1, room=2))
        await asyncio.sleep(1)
        assert not taking.done()
        streamer.abandon(0)
        streamer.abandon(0)
        assert [parcel.key for parcel in await taking] == [1]

    virtually(main())


def test_places_of_later_batches_are_kept_where_one_batch_is_not_enough(
    virtually: Callable[..., object],
) -> None:
    """With two batches of version 0 still rolled out, batches 1 and 2 both belong to them."""

    async def main() -> None:
        streamer = Streamer(batch_size=2, max_staleness=2)
        for lane, version in enumerate([0, 0, 1]):
            streamer.open(lane, version=version, places=2)
        streamer.put(_segment(2, 1, 1))
        assert await _soon(streamer, version=1, room=2) == []
        streamer.put(_segment(0, 0, 0))
        assert await _soon(streamer, version=1, room=2) == [0]

    virtually(main())


def test_the_close_ends_every_take_even_if_something_is_left(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        streamer = Streamer(batch_size=2, max_staleness=0)
        waiting = asyncio.create_task(streamer.take(version=0, room=2))
        await asyncio.sleep(0)
        streamer.close()
        streamer.close()
        with pytest.raises(ClosedError):
            await waiting
        streamer.open(0, version=0, places=2)
        streamer.put(_segment(0, 0, 0))
        with pytest.raises(ClosedError):
            await streamer.take(version=0, room=2)
        assert len(streamer) == 1, "it is not lost, only not given out"

    virtually(main())


@dataclass(frozen=True)
class Case:
    length: int
    segments: int
    """Of a batch."""
    max_staleness: int
    lanes: int
    loss: float
    """Probability that a decision loses the segment."""
    seed: int
    first: int
    """Version at the begin."""


CASES = st.builds(
    Case,
    length=st.integers(1, 5),
    segments=st.integers(1, 5),
    max_staleness=st.integers(0, 4),
    lanes=st.integers(1, 12),
    loss=st.sampled_from([0.0, 0.05, 0.3]),
    seed=st.integers(0, 2**32),
    first=st.sampled_from([0, 9]),
)
UPDATES = 12


class Rooms:
    """Admission and streamer between lanes of very different pace and a trainer."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.batch_size = case.length * case.segments
        self.admission = Admission(
            batch_size=self.batch_size, max_staleness=case.max_staleness, version=case.first
        )
        self.streamer = Streamer(batch_size=self.batch_size, max_staleness=case.max_staleness)
        self.random = random.Random(case.seed)
        self.handed_over = 0

    async def lane(self, number: int) -> None:
        pace = self.random.choice((0.001, 0.1, 1.0, 1000.0))
        while True:
            try:
                await self.admission.enter(self.case.length)
            except ClosedError:
                return
            await self._segment(number, pace)

    async def _segment(self, number: int, pace: float) -> None:
        version = self.admission.version
        versions: list[int] = []
        self.streamer.open(number, version=version, places=self.case.length)
        while len(versions) < self.case.length:
            versions.append(self.random.randint(version, self.admission.version))
            await asyncio.sleep(self.random.expovariate(1 / pace))
            if self.random.random() < self.case.loss:
                self.streamer.abandon(number)
                self.admission.cancel(self.case.length)
                return
        self.admission.finish(self.case.length)
        self.handed_over += self.case.length
        self.streamer.put(_segment(number, *versions))

    async def update(self) -> None:
        room = self.batch_size
        version = self.admission.version
        while room:
            taken = await self.streamer.take(version=version, room=room)
            room -= sum(map(len, taken))
            assert room >= 0
            for one in taken:
                assert version - min(one.versions) <= self.case.max_staleness
        await asyncio.sleep(self.random.choice((0.001, 10.0)))
        self.admission.advance(version + 1)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(self.case.lanes):
                group.create_task(self.lane(number))
            for _ in range(UPDATES):
                await self.update()
            self.admission.close()
        used = UPDATES * self.batch_size
        assert self.handed_over == used + self.case.length * len(self.streamer)
        assert self.admission.running == 0
        assert self.admission.accepted == self.case.first * self.batch_size + self.handed_over


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(case=CASES)
def test_no_decision_gets_too_old_and_nothing_admitted_is_lost_or_waited_for_in_vain(
    virtually: Callable[..., object], case: Case
) -> None:
    virtually(Rooms(case).run())
