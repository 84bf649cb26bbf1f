from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from rlvla.core.batcher import Lockstep
from rlvla.core.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

    from rlvla.core.segment import Segment


async def _segments(world: World, count: int) -> list[Segment]:
    """Roll out `count` segments with nobody to train on them."""
    taken: list[Segment] = []
    rollout = world.rollout()
    async with asyncio.TaskGroup() as group:
        group.create_task(world.batcher.run())
        lanes = [group.create_task(rollout.run(lane)) for lane in world.crew]
        while len(taken) < count:
            for parcel in await world.streamer.take(version=0, room=world.length):
                taken += parcel.segments
        world.admission.close()
        await asyncio.wait(lanes)
        world.batcher.close()
    return taken


def test_the_return_goes_on_where_an_episode_was_cut_and_nowhere_else(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(lanes=2, length=5, batch_size=500, end=0.3)
        kinds: Counter[str] = Counter()
        for segment in await _segments(world, 100):
            assert len(segment) == world.length
            for place, after in enumerate(segment.bootstrap):
                lane, ordinal = world.rows.observation[segment.slots[place]]
                last = place == world.length - 1
                goes_on = not last and world.rows.observation[segment.slots[place + 1]] == (
                    lane,
                    ordinal + 1,
                )
                if after >= 0:
                    kinds["end of segment" if last else "truncated"] += 1
                    assert world.rows.observation[after] == (lane, ordinal + 1)
                    assert last or segment.slots[place + 1] != after
                elif not goes_on:
                    kinds["terminated"] += 1
        assert min(kinds.values()) > 10, kinds
        assert len(kinds) == 3

    virtually(main())


def test_an_episode_goes_on_in_the_next_segment(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(lanes=1, length=3, batch_size=30, end=0)
        segments = await _segments(world, 10)
        assert len(world.shard.starts) == 1
        for before, after in pairwise(segments):
            assert before.bootstrap == (-1, -1, after.slots[0])

    virtually(main())


def test_lost_episodes_are_counted_and_everything_else_is_kept(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(lanes=5, length=3, batch_size=300, loss=0.1)
        segments = await _segments(world, 100)
        counts = world.ledger.counts()
        assert world.ledger.balanced()
        assert counts["dropped_crash"] > 0
        assert counts["in_flight"] == 3 * (len(segments) + len(world.streamer))
        assert world.admission.running == 0
        taken = [slot for one in segments for slot in (*one.slots, *one.bootstrap)]
        world.free.release(taken)
        world.free.release(await world.held())
        assert len(world.free) == world.slots

    virtually(main())


def test_lanes_in_lockstep_are_not_held_up_by_one_that_is_lost_or_done(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(lanes=5, length=2, batch_size=60, loss=0.1, rule=Lockstep())
        assert len(await _segments(world, 30)) == 30

    virtually(main())


def test_a_lane_that_only_loses_episodes_ends_the_run(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(lanes=1, loss=1)
        with pytest.RaisesGroup(pytest.RaisesExc(PluginError, match="8 episodes in a row")):
            await _segments(world, 1)
        assert len(world.free) == world.slots
        assert world.admission.running == 0

    virtually(main())


def test_finished_episodes_are_reported_with_their_length_and_return(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(lanes=3, length=4, batch_size=400, end=0.25)
        await _segments(world, 100)
        row = world.metrics.row()
        assert row["rollout/episodes"] > 50
        assert row["rollout/episode_steps"] == 2 * row["rollout/reward"]
        assert 2 < row["rollout/reward"] < 6
        assert 0.3 < row["rollout/success"] < 0.7

    virtually(main())


def test_closing_the_batcher_ends_lanes_in_the_middle_of_a_segment(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(lanes=4, length=1000, batch_size=4000)
        rollout = world.rollout()
        async with asyncio.TaskGroup() as group:
            group.create_task(world.batcher.run())
            for lane in world.crew:
                group.create_task(rollout.run(lane))
            await asyncio.sleep(20)
            world.batcher.close()
        assert world.ledger.in_flight == world.ledger.produced > 0

    virtually(main())
