from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rlvla.core.clock import now
from rlvla.core.component import build
from rlvla.core.errors import LaneLostError, TrainingError
from rlvla.core.latency import Curve, Publish
from rlvla.core.placement import Placement, Resources
from rlvla.core.runtime.virtual.faults import Faults
from rlvla.core.runtime.virtual.memory import ViolationError
from rlvla.core.segment import Segment
from rlvla.core.types import Outcome, Request, Start

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from rlvla.core.latency import Latencies
    from rlvla.core.workers import Cell

START = Start("go", "train", 0)


def _request(lane: int, slot: int, version: int = -1) -> Request:
    return Request(lane, slot, 0, 1.0, version)


async def _seconds(*calls: Awaitable[object]) -> list[float]:
    """Await all at once; return how long each took."""
    began = now()

    async def one(call: Awaitable[object]) -> float:
        await call
        return now() - began

    return await asyncio.gather(*map(one, calls))


async def _segment(cell: Cell, lane: int, slots: range, *, number: int = 0) -> Segment:
    """Roll out a segment in `slots`, of which the last holds the observation after it."""
    shard = cell.shards[0]
    await shard.reset(lane, START, into=slots[0])
    versions: list[int] = []
    for slot in slots[:-1]:
        acted = await cell.generators[0].act([_request(lane, slot)], version=0, rows=1)
        versions.append(acted.version)
        if (await shard.step(lane, slot, into=slot + 1)).done:
            await shard.reset(lane, START, into=slot + 1)
    bootstrap = (*[-1] * (len(versions) - 1), slots[-1])
    return Segment(lane, tuple(slots[:-1]), bootstrap, tuple(versions), number)


def test_a_worker_does_one_thing_after_the_other_and_workers_do_not_wait_for_each_other(
    virtually: Callable[..., object], setting: Callable[..., Any]
) -> None:
    async def main() -> None:
        async with setting().open() as (workers, _):
            first, second = workers.cells[0].shards
            took = await _seconds(
                first.reset(0, START, into=0),
                first.reset(1, START, into=1),
                second.reset(2, START, into=2),
            )
            np.testing.assert_allclose(took, [2, 4, 2])
            act = workers.cells[0].generators[0].act
            requests = [_request(0, 0), _request(1, 1)]
            np.testing.assert_allclose(await _seconds(act(requests, version=0, rows=2)), [3])
            np.testing.assert_allclose(
                await _seconds(act([_request(2, 2)], version=0, rows=4)), [5], err_msg="padded"
            )
            took = await _seconds(first.step(0, 0, into=3), second.step(2, 2, into=4))
            np.testing.assert_allclose(took, [1, 1])

    virtually(main())


def test_an_episode_lasts_max_steps_and_a_chunk_is_cut_at_its_end(
    virtually: Callable[..., object], setting: Callable[..., Any]
) -> None:
    """The line allows 6 actions; the tiny model decides on one at a time."""

    async def main() -> None:
        async with setting().open() as (workers, _):
            cell = workers.cells[0]
            await cell.shards[0].reset(0, START, into=0)
            outcomes = list[Outcome]()
            for slot in range(6):
                outcomes.append(await cell.shards[0].demonstrate(0, slot, into=slot + 1))
            assert [one.truncated for one in outcomes] == [False] * 5 + [True]
            assert sum(one.steps for one in outcomes) == 6
            assert not any(one.terminated for one in outcomes)

    virtually(main())


def test_the_trainer_works_on_whole_micro_batches_and_leaves_the_rest_to_the_step(
    virtually: Callable[..., object], setting: Callable[..., Any]
) -> None:
    """Micro-batches of 8 at 0.5 s a decision, and a step of 3 s."""

    async def main() -> None:
        async with setting().open() as (workers, _):
            trainer, cell = workers.trainer, workers.cells[0]
            segments = [
                await _segment(cell, lane, range(20 * lane, 20 * lane + 6)) for lane in (0, 1)
            ]
            assert await _seconds(trainer.accumulate(segments[:1])) == pytest.approx([0], abs=1e-6)
            np.testing.assert_allclose(await _seconds(trainer.accumulate(segments[1:])), [4])
            np.testing.assert_allclose(await _seconds(trainer.step()), [0.5 * 2 + 3])

    virtually(main())


def test_ranks_share_the_work_of_a_batch_and_average_their_gradients(
    virtually: Callable[..., object], setting: Callable[..., Any]
) -> None:
    async def main() -> None:
        async with setting(cells=2).open() as (workers, world):
            segment = await _segment(workers.cells[0], 0, range(6))
            await workers.trainer.accumulate([segment])
            np.testing.assert_allclose(await _seconds(workers.trainer.step()), [0.5 * 3 + 4])
            assert world.size["trainer"] == 2

    virtually(main())


def test_workers_on_one_gpu_take_turns_and_it_is_busy_all_the_time(
    virtually: Callable[..., object], setting: Callable[..., Any]
) -> None:
    async def main() -> None:
        gpu = Resources(gpus=(0,))
        where = Placement(generator=gpu, trainer=gpu)
        async with setting(generators=2, placement=where).open() as (workers, world):
            cell = workers.cells[0]
            segment = await _segment(cell, 0, range(9))
            await cell.shards[1].reset(2, START, into=40)
            await cell.shards[1].reset(3, START, into=41)
            before = world.units.busy.copy()
            took = await _seconds(
                workers.trainer.accumulate([segment]),
                cell.generators[0].act([_request(2, 40)], version=0, rows=1),
                cell.generators[1].act([_request(3, 41)], version=0, rows=1),
            )
            np.testing.assert_allclose(took, [4, 6, 8])
            (unit,) = world.units.busy
            np.testing.assert_allclose(world.units.busy[unit] - before[unit], 8)

    virtually(main())


def test_a_generator_tells_how_long_it_waited_for_its_turn(
    virtually: Callable[..., object], setting: Callable[..., Any]
) -> None:
    async def main() -> None:
        gpu = Resources(turns="gpu")
        where = Placement(generator=gpu, trainer=gpu)
        async with setting(placement=where).open() as (workers, _):
            cell = workers.cells[0]
            segment = await _segment(cell, 0, range(9))
            await cell.shards[1].reset(2, START, into=40)
            training = asyncio.ensure_future(workers.trainer.accumulate([segment]))
            await asyncio.sleep(0)
            generator = cell.generators[0]
            acted = await generator.act([_request(2, 40)], version=0, rows=1)
            np.testing.assert_allclose(acted.waited_s, 4)
            await training
            acted = await generator.act([_request(2, 40)], version=0, rows=1)
            assert acted.waited_s == 0, "the turn is free"

    virtually(main())


def test_cores_bound_how_many_simulators_work_at_once(
    virtually: Callable[..., object], setting: Callable[..., Any]
) -> None:
    async def main() -> None:
        where = Placement(simulator=Resources(cores=(0, 1)))
        async with setting(shards=5, placement=where).open() as (workers, _):
            shards = workers.cells[0].shards
            resets = [
                shard.reset(2 * number, START, into=number) for number, shard in enumerate(shards)
            ]
            np.testing.assert_allclose(await _seconds(*resets), [2, 2, 4, 4, 6])

    virtually(main())


def test_a_publication_in_the_background_holds_up_the_step_and_nobody_else(
    virtually: Callable[..., object], setting: Callable[..., Any], latencies: Latencies
) -> None:
    async def main() -> None:
        slow = replace(latencies, publish=Publish(base_ms=10_000))
        async with setting(latencies=slow).open() as (workers, _):
            cell, trainer = workers.cells[0], workers.trainer
            await cell.shards[0].reset(0, START, into=0)
            act = cell.generators[0].act([_request(0, 0)], version=0, rows=1)
            took = await _seconds(trainer.publish(1), trainer.step(), act)
            np.testing.assert_allclose(took, [10, 13, 2])
            acted = await cell.generators[0].act([_request(0, 0)], version=1, rows=1)
            assert acted == (1, 0.0), "nothing is used in turns"

    virtually(main())


def test_a_blocking_broadcast_waits_for_every_generator_and_stops_all_of_them(
    virtually: Callable[..., object], setting: Callable[..., Any], latencies: Latencies
) -> None:
    async def main() -> None:
        slow = replace(latencies, publish=Publish(base_ms=10_000, blocking=True))
        async with setting(latencies=slow, generators=2).open() as (workers, _):
            cell, trainer = workers.cells[0], workers.trainer
            for lane in (0, 1):
                await cell.shards[0].reset(lane, START, into=lane)
            generators = cell.generators
            took = await _seconds(
                generators[0].act([_request(0, 0)], version=0, rows=1),
                trainer.publish(1),
                generators[0].act([_request(0, 0)], version=0, rows=1),
                generators[1].act([_request(1, 1)], version=0, rows=1),
                trainer.step(),
            )
            np.testing.assert_allclose(took, [2, 12, 14, 14, 15])

    virtually(main())


def test_a_generator_decides_with_what_was_whole_when_it_began(
    virtually: Callable[..., object], setting: Callable[..., Any], latencies: Latencies
) -> None:
    async def main() -> None:
        slow = replace(latencies, publish=Publish(base_ms=1000))
        async with setting(latencies=slow).open() as (workers, _):
            cell = workers.cells[0]
            await cell.shards[0].reset(0, START, into=0)
            act = cell.generators[0].act
            publication = asyncio.ensure_future(workers.trainer.publish(1))
            assert (await act([_request(0, 0)], version=0, rows=1)).version == 0
            assert (await act([_request(0, 0)], version=1, rows=1)).version == 1
            assert (await act([_request(0, 0, 0)], version=1, rows=1)).version == 0, (
                "exactly version 0"
            )
            await publication
            with pytest.raises(ViolationError, match=r"version 2 was announced, \{0, 1\} are"):
                await act([_request(0, 0)], version=2, rows=1)

    virtually(main())


def test_a_dead_simulator_costs_its_episodes_and_is_started_again(
    virtually: Callable[..., object], setting: Callable[..., Any]
) -> None:
    async def main() -> None:
        faults = Faults(crash=1.0, until_s=5.0)
        async with setting(faults=faults, start_s=3.0).open() as (workers, world):
            shard = workers.cells[0].shards[0]
            assert now() == pytest.approx(3)
            with pytest.raises(LaneLostError, match=r"simulator-0\.0 ended with crash") as lost:
                await shard.reset(0, START, into=0)
            assert lost.value.reason == "crash"
            await asyncio.sleep(5)
            np.testing.assert_allclose(await _seconds(shard.reset(0, START, into=0)), [5])
            (death,) = world.deaths
            assert (death.name, death.how, death.doing) == ("simulator-0.0", "crash", "reset")

    virtually(main())


@pytest.mark.parametrize("fault", ["hang", "lost", "unanswered"])
def test_silence_is_ended_by_the_watchdog_and_the_next_generator_answers(
    virtually: Callable[..., object], setting: Callable[..., Any], fault: str
) -> None:
    async def main() -> None:
        faults = build(Faults, {"until_s": 3.0, fault: 1.0})
        async with setting(faults=faults).open() as (workers, world):
            await asyncio.sleep(2.5)
            world.memories[0].observe(0, 0)
            act = workers.cells[0].generators[0].act([_request(0, 0)], version=0, rows=1)
            np.testing.assert_allclose(await _seconds(act), [602])
            (death,) = world.deaths
            assert (death.how, death.excused) == ("killed", True)

    virtually(main())


def test_answers_that_come_twice_or_late_do_no_harm(
    virtually: Callable[..., object], setting: Callable[..., Any]
) -> None:
    async def main() -> None:
        faults = Faults(duplicated=0.5, late=0.5, late_s=4.0)
        async with setting(faults=faults).open() as (workers, world):
            shard = workers.cells[0].shards[0]
            resets = [shard.reset(lane, START, into=lane) for lane in (0, 1)]
            first, second = await _seconds(*resets)
            assert 2 <= first <= 6.1
            assert 4 <= second <= 8.1
            assert world.deaths == []

    virtually(main())


def test_a_simulator_that_raises_loses_the_episode_and_lives_on(
    virtually: Callable[..., object], setting: Callable[..., Any]
) -> None:
    async def main() -> None:
        async with setting(faults=Faults(error=1.0)).open() as (workers, world):
            with pytest.raises(LaneLostError, match="the simulator raised") as lost:
                await workers.cells[0].shards[0].reset(0, START, into=0)
            assert lost.value.reason == "env_error"
            assert world.deaths == []

    virtually(main())


def test_only_who_asks_for_it_loses_the_trainer(
    virtually: Callable[..., object], setting: Callable[..., Any]
) -> None:
    async def main(faults: Faults) -> None:
        async with setting(faults=faults).open() as (workers, _):
            await workers.trainer.step()

    virtually(main(Faults(crash=1.0)))
    with pytest.raises(TrainingError, match="trainer ended with crash; `rlvla resume` continues"):
        virtually(main(Faults(crash=1.0, trainer=True)))


def test_a_laggard_takes_its_time(
    virtually: Callable[..., object], setting: Callable[..., Any]
) -> None:
    async def main() -> None:
        async with setting(faults=Faults(laggards=(1,), lag=10)).open() as (workers, _):
            first, second = workers.cells[0].shards
            took = await _seconds(first.reset(0, START, into=0), second.reset(2, START, into=2))
            np.testing.assert_allclose(took, [2, 20])

    virtually(main())


def test_a_trainer_loads_what_it_saved_and_shows_it_at_once(
    virtually: Callable[..., object], setting: Callable[..., Any], tmp_path: Path
) -> None:
    async def main() -> None:
        async with setting().open() as (workers, world):
            await workers.trainer.save(str(tmp_path))
        async with setting().open() as (workers, world):
            await workers.trainer.load(str(tmp_path), 7)
            assert world.memories[0].version == 7

    virtually(main())


def test_lanes_of_a_batched_simulator_are_stepped_by_one_curve(
    virtually: Callable[..., object], setting: Callable[..., Any], latencies: Latencies
) -> None:
    async def main() -> None:
        batched = replace(latencies, batch=Curve(base_ms=3000, per_sample_ms=100))
        async with setting(latencies=batched).open() as (workers, _):
            cell = workers.cells[0]
            shard = cell.shards[0]
            beginnings = [(lane, START, lane) for lane in (0, 1)]
            np.testing.assert_allclose(await _seconds(shard.reset_batch(beginnings)), [2])
            await cell.generators[0].act([_request(0, 0), _request(1, 1)], version=0, rows=2)
            step = shard.step_batch([(0, 0, 2), (1, 1, 3)])
            np.testing.assert_allclose(await _seconds(step), [3.2])

    virtually(main())


def test_decisions_that_wait_are_scored_in_forward_passes_by_the_weights_that_made_them(
    virtually: Callable[..., object], setting: Callable[..., Any]
) -> None:
    """A forward pass is a third of the 4 s that a micro-batch of 8 takes."""

    async def main() -> None:
        async with setting().open() as (workers, _):
            trainer, cell = workers.trainer, workers.cells[0]
            await trainer.publish(1)
            segment = await _segment(cell, 0, range(10))
            np.testing.assert_allclose(await _seconds(trainer.foresee([segment])), [8 / 3])
            await trainer.step()
            with pytest.raises(ViolationError, match=r"version 1, those of 2 are to be seen"):
                await trainer.foresee([segment])

    virtually(main())
