from __future__ import annotations

import asyncio
import os
import signal

import numpy as np
import pytest

from rlvla.core.runtime.virtual.loop import DeadlockError, run_virtually


def test_hours_pass_at_once_and_in_order() -> None:
    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        log: list[tuple[str, float]] = []

        async def sleeper(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            log.append((name, loop.time()))

        async with asyncio.TaskGroup() as group:
            group.create_task(sleeper("late", 7200))
            group.create_task(sleeper("early", 3600))
        return log

    (early, first), (late, second) = run_virtually(main())
    assert (early, late) == ("early", "late")
    np.testing.assert_allclose([first, second], [3600, 7200])


def test_a_wait_for_nobody_is_a_deadlock() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(DeadlockError, match=r"^everybody waits and no timer is set$"):
        run_virtually(main())


def test_an_error_in_a_callback_ends_the_run() -> None:
    async def main() -> None:
        def fail() -> None:
            raise ValueError("a worker is broken")

        asyncio.get_running_loop().call_later(1, fail)
        await asyncio.sleep(100)

    with pytest.raises(ValueError, match=r"^a worker is broken$"):
        run_virtually(main())


def test_who_waits_until_a_time_that_rounding_puts_in_the_past_does_not_wait_for_ever() -> None:
    """`0.1 + 0.2 - 0.3` is above 0, and 0.3 plus that is 0.3: the clock must go on all the same."""

    async def main() -> int:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.3)
        due, turns = loop.time() + 1e-17, 0
        began = loop.time()
        while loop.time() <= due:
            woken = loop.create_future()
            loop.call_later(due - loop.time(), woken.set_result, None)
            await woken
            turns += 1
        assert loop.time() - began < 1e-6
        return turns

    assert run_virtually(main()) < 3


def test_what_is_given_to_a_thread_is_done_at_once() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert await asyncio.to_thread(sum, [1, 2]) == 3
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)
        assert loop.time() == 0

    run_virtually(main())


def test_a_watcher_looks_on_between_events_and_may_end_the_run() -> None:
    seen: list[int] = []

    async def main() -> None:
        for number in range(5):
            seen.append(number)
            await asyncio.sleep(1)

    def watch() -> None:
        if len(seen) == 3:
            raise ValueError(f"after {seen}")

    with pytest.raises(ValueError, match=r"^after \[0, 1, 2\]$"):
        run_virtually(main(), watch=watch)


def test_a_signal_is_heard() -> None:
    async def main() -> None:
        heard = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, heard.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        while not heard.is_set():  # noqa: ASYNC110 - the timers are what the signal must get past
            await asyncio.sleep(1)

    run_virtually(main())
