from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from rlvla.core.batcher import Batcher, Lockstep
from rlvla.core.dispatcher import Dispatcher
from rlvla.core.errors import ClosedError, LaneLostError
from rlvla.core.gather import Gather
from rlvla.core.gauge import Gauge
from rlvla.core.metrics import Metrics
from rlvla.core.types import Acted, Outcome, Request, Start

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from rlvla.core.workers import Beginning, Move, ShardWorker

START = Start("reach", "train", 0)


class Batched:
    """A shard that takes a second for a call and remembers which lanes it was for."""

    lanes = (0, 1, 2)

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[int]]] = []
        self.lost = False

    async def reset_batch(self, beginnings: Sequence[Beginning]) -> None:
        self.calls.append(("reset", [lane for lane, _, _ in beginnings]))
        await asyncio.sleep(1)

    async def step_batch(self, moves: Sequence[Move]) -> Sequence[Outcome]:
        self.calls.append(("step", [lane for lane, _, _ in moves]))
        await asyncio.sleep(1)
        if self.lost:
            raise LaneLostError(moves[0][0], "crash", "its worker was killed")
        return [
            Outcome(float(slot), 1, terminated=False, truncated=False, success=False)
            for _, slot, _ in moves
        ]


@asynccontextmanager
async def gathered(dispatcher: Dispatcher | None = None) -> AsyncGenerator[tuple[Gather, Batched]]:
    """Let three lanes meet, from now on to the end of the block."""
    shard = Batched()
    gather = Gather(cast("ShardWorker", shard), Gauge(), dispatcher or dispatched())
    for lane in shard.lanes:
        gather.join(lane)
    async with asyncio.TaskGroup() as stages:
        stages.create_task(gather.run())
        yield gather, shard
        gather.close()


def dispatched() -> Dispatcher:
    """Three lanes that one generator serves in lockstep."""
    batcher = Batcher(Lockstep(), Quick(), Metrics(1))
    return Dispatcher([batcher], [0, 0, 0], 0)


class Quick:
    """A generator that decides at once, with version 7."""

    async def act(self, requests: Sequence[Request], *, version: int, rows: int) -> Acted:
        del requests, version, rows
        return Acted(7)


def test_lanes_step_together_once_all_have_asked(virtually: Callable[..., object]) -> None:
    async def main() -> None:
        async with gathered() as (gather, shard):
            loop = asyncio.get_running_loop()

            async def lane(number: int) -> float:
                await gather.reset(number, START, into=number)
                await asyncio.sleep(number)  # the policy decides, for some later than for others
                outcome = await gather.step(number, 10 + number, into=number)
                assert loop.time() == 1 + 2 + 1
                return outcome.reward

            assert await asyncio.gather(*map(lane, shard.lanes)) == [10, 11, 12]
            assert shard.calls == [("reset", [0, 1, 2]), ("step", [0, 1, 2])]

    virtually(main())


def test_lanes_that_begin_and_lanes_that_step_go_on_in_one_turn(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        async with gathered() as (gather, shard):
            await asyncio.gather(
                gather.step(0, 0, into=3), gather.reset(1, START, into=4), gather.step(2, 2, into=5)
            )
            assert shard.calls == [("step", [0, 2]), ("reset", [1])]

    virtually(main())


def test_nobody_waits_for_a_lane_that_left_unless_it_joins_again_at_once(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        async with gathered() as (gather, shard):
            waiting = asyncio.gather(gather.step(0, 0, into=3), gather.step(1, 1, into=4))
            await asyncio.sleep(1)
            gather.leave(2)
            gather.join(2)
            await asyncio.sleep(1)
            assert shard.calls == []
            gather.leave(2)
            await waiting
            assert shard.calls == [("step", [0, 1])]

    virtually(main())


def test_the_lanes_of_a_batch_share_its_fate_each_under_its_own_name(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        async with gathered() as (gather, shard):
            shard.lost = True
            steps = (gather.step(lane, lane, into=lane + 3) for lane in shard.lanes)
            lost = await asyncio.gather(*steps, return_exceptions=True)
            assert [str(one) for one in lost] == [
                f"lane {n}: its worker was killed" for n in range(3)
            ]
            with pytest.raises(LaneLostError):
                raise cast("LaneLostError", lost[1])

    virtually(main())


def test_lanes_that_wait_for_a_decision_do_not_wait_for_one_that_waits_here_for_them(
    virtually: Callable[..., object],
) -> None:
    """One lane begins an episode while the others go on with theirs: lockstep in both places."""

    async def main() -> None:
        batcher = Batcher(Lockstep(), Quick(), Metrics(1))
        dispatcher = Dispatcher([batcher], [0, 0, 0], 0)
        serving = asyncio.create_task(batcher.run())
        async with gathered(dispatcher) as (gather, shard):
            for lane in shard.lanes:
                dispatcher.join(lane)

            async def goes_on(lane: int) -> int:
                made = await dispatcher.decide(Request(lane, lane, 0, 1.0))
                await gather.step(lane, lane, into=lane + 3)
                return made

            begins = gather.reset(0, START, into=3)
            assert await asyncio.gather(begins, goes_on(1), goes_on(2)) == [None, 7, 7]
            assert shard.calls == [("step", [1, 2]), ("reset", [0])]
            again = [dispatcher.decide(Request(lane, lane, 0, 1.0)) for lane in (1, 2)]
            await asyncio.sleep(1)
            assert not any(one.done() for one in again)  # the first lane is back: they wait for it
            dispatcher.close()
            await serving

    virtually(main())


def test_who_waits_for_others_when_it_closes_is_told_and_no_step_is_left_behind(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        async with gathered() as (gather, shard):
            steps = [asyncio.ensure_future(gather.step(lane, lane, into=3)) for lane in (0, 1)]
            await asyncio.sleep(1)
            gather.close()
            gather.leave(2)
            found = await asyncio.gather(*steps, gather.step(2, 2, into=4), return_exceptions=True)
            assert [type(one) for one in found] == [ClosedError] * 3
            assert shard.calls == []
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtually(main())


def test_a_step_is_cancelled_with_the_run_that_it_belongs_to(
    virtually: Callable[..., object],
) -> None:
    """Else it would go on with a worker that has ended, and be there when the loop ends."""

    async def main() -> None:
        shard = Batched()
        gather = Gather(cast("ShardWorker", shard), Gauge(), dispatched())

        async def lane(number: int) -> None:
            gather.join(number)
            try:
                await gather.step(number, number, into=3)
            finally:
                gather.leave(number)

        async def run() -> None:
            async with asyncio.TaskGroup() as stages:
                stages.create_task(gather.run())
                for number in shard.lanes:
                    stages.create_task(lane(number))
                await asyncio.sleep(0.5)
                raise RuntimeError("the trainer is broken")

        with pytest.raises(ExceptionGroup, match="unhandled errors"):
            await run()
        assert shard.calls == [("step", [0, 1, 2])]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtually(main())
