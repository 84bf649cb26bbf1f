from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from rlvla.core.demonstration import Demonstrator
from rlvla.core.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World


def _demonstrator(world: World, stopped: asyncio.Event) -> Demonstrator:
    return Demonstrator(world.crew, world.trainer, world.starts, stopped)


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_successful_episodes_are_stored_whole_and_in_the_order_of_their_starts(
    virtually: Callable[..., object], worlds: type[World], loss: float
) -> None:
    async def main() -> None:
        world = worlds(seed=4, lanes=4, loss=loss)
        await _demonstrator(world, asyncio.Event()).demonstrate(17)
        stored = world.trainer.stored
        assert len(stored) == 17
        assert all(one.bootstrap == one.versions == (-1,) * len(one) for one in stored)
        assert len(world.free) == world.slots
        waves = [segment.lane for segment in stored]
        descents = sum(b <= a for a, b in pairwise(waves))
        assert descents < world.starts.ordinal / 4
        assert world.starts.ordinal % 4 == 0

    virtually(main())


def test_a_lost_episode_is_played_again_from_the_same_start(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(seed=4, lanes=1, loss=0.1)
        await _demonstrator(world, asyncio.Event()).demonstrate(30)
        played = [(start.index, start.task) for start in world.shard.starts]
        assert played == sorted(played, key=lambda one: (one[0], -len(one[1])))
        assert len(set(played)) == world.starts.ordinal
        assert len(played) > len(set(played)), "some were played again"

    virtually(main())


def test_demonstrations_end_when_the_run_is_stopped(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(lanes=2)
        stopped = asyncio.Event()
        asyncio.get_running_loop().call_later(500, stopped.set)
        await _demonstrator(world, stopped).demonstrate(10**9)
        assert world.trainer.stored
        assert len(world.free) == world.slots

    virtually(main())


def test_a_wave_without_success_is_not_stored(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(seed=1, lanes=1)
        await _demonstrator(world, asyncio.Event()).demonstrate(10)
        assert len(world.trainer.stored) == 10
        assert world.starts.ordinal > 10, "some failed"

    virtually(main())


def test_an_expert_whose_lane_is_always_lost_ends_the_run(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(lanes=1, loss=1)
        with pytest.RaisesGroup(pytest.RaisesExc(PluginError, match="8 episodes in a row")):
            await _demonstrator(world, asyncio.Event()).demonstrate(1)
        assert len(world.free) == world.slots

    virtually(main())
