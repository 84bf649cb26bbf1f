from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from rlvla.core.channel import Channel, ClosedError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_items_arrive_in_order_and_iteration_ends_at_the_close(
    virtually: Callable[..., object],
) -> None:
    async def produce(channel: Channel[int]) -> None:
        for item in range(20):
            await channel.send(item)
            assert len(channel) <= channel.capacity
        await channel.close()
        await channel.close()

    async def main() -> None:
        channel: Channel[int] = Channel(3)
        async with asyncio.TaskGroup() as group:
            group.create_task(produce(channel))
            assert [item async for item in channel] == list(range(20))

    virtually(main())


def test_what_was_sent_before_the_close_is_received_after_it(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        channel: Channel[int] = Channel(2)
        await channel.send(1)
        await channel.close()
        with pytest.raises(ClosedError):
            await channel.send(2)
        assert await channel.receive() == 1
        with pytest.raises(ClosedError):
            await channel.receive()

    virtually(main())


def test_the_close_wakes_senders_and_receivers(virtually: Callable[..., object]) -> None:
    async def main() -> None:
        full: Channel[int] = Channel(1)
        empty: Channel[int] = Channel(1)
        await full.send(0)
        waiting: list[asyncio.Task[object]] = [asyncio.create_task(full.send(n)) for n in range(3)]
        waiting += [asyncio.create_task(empty.receive()) for _ in range(3)]
        await asyncio.sleep(0)
        await full.close()
        await empty.close()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(end, ClosedError) for end in ends)

    virtually(main())


def test_a_channel_without_room_is_refused(virtually: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match=r"^capacity must be at least 1, got 0$"):
        Channel[int](0)


async def _stress(seed: int) -> None:
    """Senders and receivers come, go and are cancelled at random moments."""
    dice = random.Random(seed)
    channel: Channel[int] = Channel(dice.randint(1, 4))
    sent: list[int] = []
    received: list[int] = []

    async def send(item: int) -> None:
        await asyncio.sleep(dice.random())
        await channel.send(item)
        sent.append(item)

    async def receive() -> None:
        await asyncio.sleep(dice.random())
        received.append(await channel.receive())

    tasks = [asyncio.create_task(send(n) if n % 2 else receive()) for n in range(40)]
    for _ in range(15):
        await asyncio.sleep(dice.random() / 10)
        dice.choice(tasks).cancel()
    await asyncio.sleep(2)
    stuck = len(sent) - len(received)
    assert 0 <= stuck == len(channel) <= channel.capacity
    waiting = sum(not task.done() for task in tasks)
    assert not (waiting and 0 < stuck < channel.capacity), "somebody was not woken"
    await channel.close()
    received += [item async for item in channel]
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(received) == sorted(sent)


def test_cancellation_neither_loses_nor_duplicates_an_item(
    virtually: Callable[..., object],
) -> None:
    for seed in range(500):
        virtually(_stress(seed))


def test_a_receiver_cancelled_as_it_is_woken_passes_the_item_on(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        channel: Channel[int] = Channel(1)
        first, second = (asyncio.create_task(channel.receive()) for _ in range(2))
        await asyncio.sleep(0)
        await channel.send(7)
        first.cancel()
        assert await second == 7

    virtually(main())


def test_a_sender_cancelled_as_it_is_woken_leaves_its_room_to_the_next(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        channel: Channel[int] = Channel(1)
        await channel.send(0)
        first, second = (asyncio.create_task(channel.send(n)) for n in (1, 2))
        await asyncio.sleep(0)
        assert await channel.receive() == 0
        first.cancel()
        await second
        assert await channel.receive() == 2

    virtually(main())
