from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.placement import Resources
from rlvla.core.runtime.virtual.resources import (
    Rendezvous,
    Ticket,
    Unit,
    Units,
    claims,
    ranks,
)

if TYPE_CHECKING:
    from collections.abc import Callable

GPU = Unit(0, "gpu", 0)
CORES = (Unit(0, "core", 0), Unit(0, "core", 1))


def test_who_came_first_goes_first_and_who_left_the_queue_is_passed_over(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        units, order = Units(), list[int]()
        tickets = [
            Ticket((GPU,), lambda number=number: order.append(number)) for number in range(4)
        ]
        for ticket in tickets:
            units.acquire(ticket)
        assert order == [0]
        units.release(tickets[1])
        for ticket in (tickets[0], tickets[2], tickets[3]):
            units.release(ticket)
        assert order == [0, 2, 3]

    virtually(main())


def test_any_of_several_units_will_do_and_the_time_in_hand_is_counted(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        units, held = Units(), list[int]()
        tickets = [Ticket(CORES, lambda number=number: held.append(number)) for number in range(3)]
        for ticket in tickets:
            units.acquire(ticket)
        assert held == [0, 1]
        await asyncio.sleep(2)
        units.release(tickets[1])
        assert held == [0, 1, 2]
        await asyncio.sleep(3)
        units.release(tickets[0])
        units.release(tickets[2])
        np.testing.assert_allclose([units.busy[core] for core in CORES], [5, 5])

    virtually(main())


def test_a_turn_goes_before_a_gpu_and_a_gpu_before_cores() -> None:
    everything = Resources(cores=(0, 1), gpus=(4, 5), turns="gpu")
    assert claims(everything, 1, 0) == (Unit(1, "turn", "gpu"),)
    assert claims(Resources(cores=(0, 1), gpus=(4, 5)), 1, 3) == (Unit(1, "gpu", 5),)
    assert claims(Resources(cores=(0, 1)), 0, 7) == CORES
    assert claims(Resources(), 0, 0) == ()


def test_the_trainer_has_a_rank_on_each_of_its_gpus_in_each_cell() -> None:
    assert ranks(Resources(gpus=(2, 3)), 2) == [
        (Unit(cell, "gpu", gpu),) for cell in (0, 1) for gpu in (2, 3)
    ]
    assert ranks(Resources(), 3) == [(), (), ()]
    assert ranks(Resources(gpus=(2, 3), turns="gpu"), 1) == [(Unit(0, "turn", "gpu"),)]


def test_a_meeting_begins_with_the_last_and_does_not_wait_for_the_dead(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        loop, ends = asyncio.get_running_loop(), list[float]()
        meeting = Rendezvous(3, 5)
        meeting.arrive(lambda: ends.append(loop.time()))
        await asyncio.sleep(1)
        meeting.arrive(lambda: ends.append(loop.time()))
        await asyncio.sleep(1)
        meeting.arrive(None)
        await asyncio.sleep(10)
        np.testing.assert_allclose(ends, [7, 7])

    virtually(main())
