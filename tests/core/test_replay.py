from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from rlvla.core.errors import PluginError
from rlvla.core.replay import ReplayingLane
from rlvla.core.types import Start

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

START = Start("reach", "train", 3, 1)


def _lane(world: World) -> ReplayingLane:
    return ReplayingLane(0, world.shard, world.dispatcher, world.free, world.metrics.simulators[0])


@pytest.mark.parametrize("seed", range(5))
def test_a_lost_episode_goes_on_where_it_was(
    virtually: Callable[..., object], worlds: type[World], seed: int
) -> None:
    """`PacedShard` asserts that exactly what was decided is repeated."""

    async def main() -> None:
        world = worlds(lanes=1, end=0, loss=0.3, seed=seed, slots=24)
        lane = _lane(world)
        serving = asyncio.create_task(world.batcher.run())
        await lane.begin(START, seed=9, episode=4)
        for ordinal in range(20):
            assert world.rows.observation[lane.slot] == (0, ordinal)
            await lane.decide(0.5)
            decided, outcome = await lane.advance()
            assert outcome.steps == 2
            lane.free.release([decided])
        assert lane.steps == 40
        assert world.shard.replays > 0
        assert len(world.free) == 3, "it keeps its decisions and the present observation"
        lane.forget()
        assert len(world.free) == 24
        requests = [request for batch in world.generator.batches for request in batch]
        assert len({one.seed for one in requests}) == len(requests) == 20
        world.batcher.close()
        await serving

    virtually(main())


def test_an_episode_that_is_always_lost_ends_the_run(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(lanes=1, loss=1)
        lane = _lane(world)
        with pytest.raises(PluginError, match="8 episodes in a row"):
            await lane.begin(START, seed=9, episode=4)
        assert len(world.free) == world.slots

    virtually(main())
