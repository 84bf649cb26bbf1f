from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from rlvla.core.errors import ClosedError
from rlvla.core.ordered import Gate, OrderedStreamer
from rlvla.core.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_gate_opens_with_the_version_and_not_before(virtually: Callable[..., object]) -> None:
    async def main() -> None:
        gate, entered = Gate(2), list[int]()

        async def enter(version: int) -> None:
            await gate.enter(version)
            entered.append(version)

        tasks = [asyncio.create_task(enter(version)) for version in (5, 1, 3, 2)]
        await asyncio.sleep(1)
        assert entered == [1, 2]
        gate.advance(4)
        await asyncio.sleep(1)
        assert entered == [1, 2, 3]
        gate.close()
        gate.close()
        with pytest.raises(ClosedError):
            await tasks[0]
        with pytest.raises(ClosedError):
            await gate.enter(0)

    virtually(main())


def test_segments_leave_one_by_one_in_their_order(virtually: Callable[..., object]) -> None:
    async def main(seed: int) -> None:
        dice = random.Random(seed)
        streamer, taken = OrderedStreamer(7), list[int]()

        async def put(index: int) -> None:
            await asyncio.sleep(dice.random())
            streamer.put(index, Segment(index, (index,), (-1,), (0,)))

        async def take() -> None:
            while True:
                (segment,) = await streamer.take(version=0, room=100)
                taken.append(segment.key)

        with pytest.RaisesGroup(ClosedError):
            async with asyncio.TaskGroup() as group:
                group.create_task(take())
                puts = [group.create_task(put(index)) for index in range(7, 30)]
                await asyncio.wait(puts)
                await asyncio.sleep(1)
                assert len(streamer) == 0
                streamer.close()
        assert taken == [*range(7, 30)]

    for seed in range(20):
        virtually(main(seed))
