from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.clock import Stopwatch, now

if TYPE_CHECKING:
    from collections.abc import Callable


def test_now_is_the_time_of_the_running_loop(virtually: Callable[..., object]) -> None:
    async def main() -> None:
        before = now()
        await asyncio.sleep(1000)
        np.testing.assert_allclose(now() - before, 1000, atol=1e-9)

    virtually(main())


def test_a_stopwatch_counts_overlapping_calls_once(virtually: Callable[..., object]) -> None:
    async def main() -> None:
        watch = Stopwatch()
        await asyncio.sleep(1)
        watch.begin()
        await asyncio.sleep(1)
        watch.begin()
        await asyncio.sleep(1)
        watch.end()
        await asyncio.sleep(1)
        watch.end()
        await asyncio.sleep(1)
        np.testing.assert_allclose(watch.lap(), 3 / 5, atol=1e-9)
        await asyncio.sleep(1)
        np.testing.assert_allclose(watch.lap(), 0, atol=1e-9)

    virtually(main())


def test_a_call_that_spans_laps_is_shared_out_between_them(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        watch = Stopwatch()
        await asyncio.sleep(1)
        watch.begin()
        await asyncio.sleep(3)
        np.testing.assert_allclose(watch.lap(), 3 / 4, atol=1e-9)
        await asyncio.sleep(2)
        np.testing.assert_allclose(watch.lap(), 1, atol=1e-9)
        await asyncio.sleep(1)
        watch.end()
        await asyncio.sleep(3)
        np.testing.assert_allclose(watch.lap(), 1 / 4, atol=1e-9)

    virtually(main())


def test_a_lap_without_duration_has_a_share(virtually: Callable[..., object]) -> None:
    async def main() -> None:
        watch = Stopwatch()
        watch.begin()
        assert watch.lap() == watch.lap() == 0

    virtually(main())
