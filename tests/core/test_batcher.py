from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rlvla.core.batcher import Batcher, Lockstep
from rlvla.core.clock import now
from rlvla.core.errors import ClosedError
from rlvla.core.metrics import Metrics
from rlvla.core.types import Acted, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rlvla.core.interfaces import BatchingRule
    from rlvla.core.types import Queue


@dataclass
class Slow:
    """A generator that takes a second for a batch, and fails when told to."""

    fails: bool = False
    batches: list[tuple[float, list[int]]] = field(default_factory=list[tuple[float, list[int]]])
    """When each batch began, and its slots."""
    rows: list[int] = field(default_factory=list[int])
    """Rows of each forward pass."""

    async def act(self, requests: Sequence[Request], *, version: int, rows: int) -> Acted:
        self.rows.append(rows)
        self.batches.append((now(), [request.slot for request in requests]))
        await asyncio.sleep(1)
        if self.fails:
            raise RuntimeError("out of memory")
        return Acted(version)


@dataclass
class Full:
    """Serve `size` requests, or fewer after `wait_ms`; records for how long it saw them wait."""

    size: int
    wait_ms: float
    seen: list[float] = field(default_factory=list[float])

    def take(self, queue: Queue) -> Sequence[int]:
        self.seen.append(queue.waited_ms)
        waiting = len(queue.lanes)
        if waiting >= self.size:
            return range(self.size)
        return range(waiting) if queue.waited_ms >= self.wait_ms - 1e-6 else ()

    def patience_ms(self, waited_ms: float) -> float | None:
        return max(self.wait_ms - waited_ms, 0.0)

    def served(self, size: int, seconds: float, waited: float) -> None:
        pass


def _batcher(rule: BatchingRule, generator: Slow) -> Batcher:
    return Batcher(rule, generator, Metrics(1))


def _request(slot: int) -> Request:
    return Request(slot, slot, 0, 1.0)


async def _ask(batcher: Batcher, slot: int) -> int:
    return await batcher.decide(_request(slot))


def test_requests_are_served_once_in_the_order_of_arrival(virtually: Callable[..., object]) -> None:
    async def main(seed: int) -> None:
        dice = random.Random(seed)
        generator, arrived = Slow(), list[int]()
        size, wait_ms = dice.randint(1, 5), dice.choice((0.0, 10.0, 1500.0))
        batcher = _batcher(Full(size, wait_ms), generator)
        batcher.version = 3

        async def ask(slot: int) -> None:
            await asyncio.sleep(dice.random() * 10)
            arrived.append(slot)
            assert await batcher.decide(_request(slot)) == 3

        async with asyncio.TaskGroup() as group:
            group.create_task(batcher.run())
            async with asyncio.TaskGroup() as lanes:
                for slot in range(20):
                    lanes.create_task(ask(slot))
            batcher.close()
        served = [slots for _, slots in generator.batches]
        assert [slot for slots in served for slot in slots] == arrived
        assert max(map(len, served)) <= size

    for seed in range(40):
        virtually(main(seed))


def test_the_clock_of_a_batch_starts_with_its_first_request(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        generator, rule = Slow(), Full(3, 500.0)
        batcher = _batcher(rule, generator)
        async with asyncio.TaskGroup() as group:
            group.create_task(batcher.run())
            await asyncio.sleep(5)
            lanes = [group.create_task(_ask(batcher, 0))]
            await asyncio.sleep(0.4)
            lanes.append(group.create_task(_ask(batcher, 1)))
            await asyncio.wait(lanes)
            batcher.close()
        ((began, slots),) = generator.batches
        assert slots == [0, 1]
        np.testing.assert_allclose(began, 5.5)
        np.testing.assert_allclose(max(rule.seen), 500)

    virtually(main())


def test_a_request_that_waits_for_the_generator_has_its_clock_running(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        generator = Slow()
        batcher = _batcher(Full(2, 500.0), generator)
        async with asyncio.TaskGroup() as group:
            group.create_task(batcher.run())
            lanes = [group.create_task(_ask(batcher, slot)) for slot in range(3)]
            await asyncio.wait(lanes)
            batcher.close()
        assert [slots for _, slots in generator.batches] == [[0, 1], [2]]
        np.testing.assert_allclose([began for began, _ in generator.batches], [0, 1])

    virtually(main())


def test_lockstep_waits_for_every_active_lane_and_not_for_one_that_leaves(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        generator = Slow()
        batcher = _batcher(Lockstep(), generator)

        async def lane(slot: int) -> None:
            batcher.join(slot)
            try:
                for _ in range(slot):
                    await asyncio.sleep(slot)
                    await batcher.decide(_request(slot))
            finally:
                batcher.leave(slot)

        async with asyncio.TaskGroup() as group:
            group.create_task(batcher.run())
            await asyncio.wait([group.create_task(lane(slot)) for slot in (1, 2, 3)])
            batcher.close()
        assert [slots for _, slots in generator.batches] == [[1, 2, 3], [2, 3], [3]]
        np.testing.assert_allclose([began for began, _ in generator.batches], [3, 7, 11])

    virtually(main())


def test_a_lane_that_leaves_completes_the_batch_of_those_who_wait(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        generator = Slow()
        batcher = _batcher(Lockstep(), generator)
        async with asyncio.TaskGroup() as group:
            group.create_task(batcher.run())
            batcher.join(0)
            batcher.join(1)
            waiting = group.create_task(_ask(batcher, 0))
            await asyncio.sleep(5)
            assert generator.batches == []
            batcher.leave(1)
            await waiting
            batcher.close()
        assert generator.batches == [(5.0, [0])]

    virtually(main())


def test_the_close_resolves_everybody_who_waits(virtually: Callable[..., object]) -> None:
    async def main() -> None:
        generator = Slow()
        batcher = _batcher(Full(2, 1e9), generator)
        async with asyncio.TaskGroup() as group:
            group.create_task(batcher.run())
            served = [asyncio.create_task(_ask(batcher, slot)) for slot in (0, 1)]
            await asyncio.sleep(0.5)
            late = [asyncio.create_task(_ask(batcher, slot)) for slot in (2, 3, 4)]
            await asyncio.sleep(0)
            late[0].cancel()
            batcher.close()
            batcher.close()
        assert await asyncio.gather(*served) == [0, 0], "the present batch still comes back"
        ends = await asyncio.gather(*late, return_exceptions=True)
        assert [type(end) for end in ends] == [asyncio.CancelledError, ClosedError, ClosedError]
        with pytest.raises(ClosedError):
            await batcher.decide(_request(5))

    virtually(main())


def test_a_failing_generator_fails_the_run_and_leaves_no_lane_waiting(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        batcher = _batcher(Full(2, 0.0), Slow(fails=True))
        lanes: list[asyncio.Task[int]] = []
        with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match=r"^out of memory$")):
            async with asyncio.TaskGroup() as group:
                group.create_task(batcher.run())
                lanes += [group.create_task(_ask(batcher, slot)) for slot in range(5)]
        assert [lane.cancelled() for lane in lanes] == [True] * 5

    virtually(main())


def test_a_lane_that_was_cancelled_neither_counts_nor_holds_up_the_others(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        generator = Slow()
        batcher = _batcher(Full(2, 1e9), generator)
        gone = asyncio.create_task(_ask(batcher, 0))
        await asyncio.sleep(0)
        gone.cancel()
        async with asyncio.TaskGroup() as group:
            group.create_task(batcher.run())
            lanes = [group.create_task(_ask(batcher, 1))]
            await asyncio.sleep(1)
            assert generator.batches == []
            lanes.append(group.create_task(_ask(batcher, 2)))
            await asyncio.sleep(0.5)
            lanes.pop(0).cancel()
            await asyncio.wait(lanes)
            batcher.close()
        assert [slots for _, slots in generator.batches] == [[1, 2]]

    virtually(main())


def test_nobody_waits_for_a_lane_that_waits_for_other_weights(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        generator = Slow()
        batcher = _batcher(Lockstep(), generator)
        for lane in range(4):
            batcher.join(lane)

        async def ask(slot: int, version: int) -> None:
            await batcher.decide(_request(slot)._replace(version=version))
            batcher.leave(slot)

        async with asyncio.TaskGroup() as group:
            group.create_task(batcher.run())
            asked = ((0, 7), (1, -1), (2, 8), (3, 7))
            await asyncio.wait([group.create_task(ask(*one)) for one in asked])
            batcher.close()
        assert [slots for _, slots in generator.batches] == [[0, 3], [1], [2]]

    virtually(main())


def test_a_forward_pass_is_padded_to_the_next_size(virtually: Callable[..., object]) -> None:
    async def main() -> None:
        generator = Slow()
        batcher = Batcher(Full(5, 0.0), generator, Metrics(1), padding=(4, 2, 8))
        async with asyncio.TaskGroup() as group:
            group.create_task(batcher.run())
            for size in (1, 2, 3, 5):
                await asyncio.wait([group.create_task(_ask(batcher, n)) for n in range(size)])
            batcher.close()
        assert [len(slots) for _, slots in generator.batches] == [1, 2, 3, 5]
        assert generator.rows == [2, 2, 4, 8]

    virtually(main())


def test_a_batch_beyond_the_padding_takes_passes_of_the_largest_size(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        rows_of: list[int] = []

        class Passes:
            async def act(self, requests: Sequence[Request], *, version: int, rows: int) -> Acted:
                assert len(requests) == 3
                rows_of.append(rows)
                return Acted(version)

        batcher = Batcher(Full(3, 1e9), Passes(), Metrics(1), padding=(2, 1))
        async with asyncio.TaskGroup() as group:
            group.create_task(batcher.run())
            await asyncio.wait([group.create_task(_ask(batcher, slot)) for slot in range(3)])
            batcher.close()
        assert rows_of == [2]

    virtually(main())


def test_a_batcher_with_nothing_to_do_takes_what_waits_for_a_busy_one(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        generators = [Slow(), Slow()]
        metrics = Metrics(1, 2)
        busy, idle = (
            Batcher(Full(1, 0.0), generator, metrics, number=number)
            for number, generator in enumerate(generators)
        )
        busy.rivals, idle.rivals = [idle], [busy]
        async with asyncio.TaskGroup() as group:
            for batcher in (busy, idle):
                group.create_task(batcher.run())
            await asyncio.wait([group.create_task(_ask(busy, slot)) for slot in range(5)])
            for batcher in (busy, idle):
                batcher.close()
        assert sorted(slots for one in generators for _, slots in one.batches) == [
            [slot] for slot in range(5)
        ]
        assert len(generators[1].batches) == 2
        assert generators[0].batches[0] == (0.0, [0]), "an idle generator serves its own"

    virtually(main())
