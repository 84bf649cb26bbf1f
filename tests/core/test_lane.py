from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rlvla.core.clock import now
from rlvla.core.errors import LaneLostError, PluginError
from rlvla.core.lane import PATIENCE, be_patient
from rlvla.core.starts import noise_seed
from rlvla.core.types import Start

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World

START = Start("reach", "train", 3, 1)


def test_an_episode_goes_from_slot_to_slot(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(lanes=1, slots=3, end=0)
        lane = world.crew[0]
        serving = asyncio.create_task(world.batcher.run())
        await lane.begin(START, seed=9, episode=4)
        assert world.shard.starts == [START]
        for ordinal in range(20):
            waiting = lane.slot
            assert world.rows.observation[waiting] == (0, ordinal)
            assert await lane.decide(0.5) == 0
            decided, outcome = await lane.advance(expert=ordinal % 2 == 1)
            assert (decided, outcome.steps) == (waiting, 2)
            assert len(world.free) == 1
            lane.free.release([decided])
        assert lane.steps == 40
        lane.forget()
        assert (lane.slot, len(world.free)) == (-1, 3)
        world.batcher.close()
        await serving
        requests = [request for batch in world.generator.batches for request in batch]
        assert [one.seed for one in requests] == [noise_seed(9, 4, n) for n in range(20)]
        assert {one.temperature for one in requests} == {0.5}

    virtually(main())


def test_a_new_episode_counts_from_its_begin(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(lanes=1, end=0)
        lane = world.crew[0]
        for _ in range(2):
            await lane.begin(START, seed=0, episode=0)
            decided, _ = await lane.advance(expert=True)
            assert lane.steps == 2
            lane.free.release([decided])
            lane.forget()
        assert len(world.free) == world.slots

    virtually(main())


def test_a_lost_lane_keeps_its_slot_until_it_leaves_and_is_busy_no_more(
    virtually: Callable[..., object], worlds: type[World]
) -> None:
    async def main() -> None:
        world = worlds(lanes=1, slots=2, loss=1)
        lane = world.crew[0]
        with pytest.raises(LaneLostError, match=r"^lane 0: its simulator worker was killed$"):
            await lane.begin(START, seed=0, episode=0)
        assert len(world.free) == 1
        lane.forget()
        world.shard.loss = 0
        await lane.begin(START, seed=0, episode=0)
        world.shard.loss = 1
        with pytest.raises(LaneLostError):
            await lane.advance(expert=True)
        assert len(world.free) == 1, "the slot that nothing came into is free again"
        lane.forget()
        assert len(world.free) == 2
        world.metrics.simulators[0].watch.lap()
        await asyncio.sleep(1)
        assert world.metrics.simulators[0].watch.lap() == 0

    virtually(main())


def test_patience_grows_with_each_loss_in_a_row_and_ends(virtually: Callable[..., object]) -> None:
    async def main() -> None:
        lost = LaneLostError(3, "hang", "it did not answer")
        waits: list[float] = []
        for losses in range(1, PATIENCE):
            before = now()
            await be_patient(losses, lost)
            waits.append(now() - before)
        np.testing.assert_allclose(waits, [0.01 * 2**losses for losses in range(1, PATIENCE)])
        with pytest.raises(PluginError, match=r"^lane 3: it .*; 8 episodes in a row .* \(hang\)$"):
            await be_patient(PATIENCE, lost)

    virtually(main())
