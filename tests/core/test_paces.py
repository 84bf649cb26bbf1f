from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from rlvla.core.gauge import Gauge
from rlvla.core.paces import Paces

if TYPE_CHECKING:
    from collections.abc import Callable


async def _steps(gauge: Gauge, seconds: float, *, times: int, kind: str = "step") -> None:
    for _ in range(times):
        with gauge.busy(kind, 0):
            await asyncio.sleep(seconds)


def test_a_row_names_the_slowest_lane_and_how_much_slower_it_is_than_is_usual(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        paces, gauge = Paces(), Gauge()
        assert paces.row() == {}
        for lane, seconds in {3: 1.0, 4: 2.0, 5: 6.0}.items():
            await _steps(gauge.paced(paces.of(lane)), seconds, times=2)
        row = paces.row()
        assert (row["pace/slowest"], row["pace/slowest_ratio"]) == (5, pytest.approx(3))
        assert row["pace/step_p50_ms"] == pytest.approx(2000, rel=0.02)
        assert row["pace/step_max_ms"] == pytest.approx(6000)
        await _steps(gauge.paced(paces.of(3)), 1.0, times=1)
        assert paces.row()["pace/step_max_ms"] == pytest.approx(1000)  # of what came since
        slowest, _, third = paces.table()  # of everything
        assert (slowest["lane"], slowest["steps"]) == (5, 2)
        assert (third["lane"], third["steps"]) == (3, 3)

    virtually(main())


def test_a_lane_waits_whenever_it_asks_nothing_of_its_simulator(
    virtually: Callable[..., object],
) -> None:
    async def main() -> None:
        paces, gauge = Paces(), Gauge()
        await asyncio.sleep(7)  # before its first episode
        mine = gauge.paced(paces.of(0))
        await _steps(mine, 2.0, times=1, kind="reset")
        await asyncio.sleep(6)
        await _steps(mine, 1.0, times=2)
        (line,) = paces.table()
        assert line["waiting"] == pytest.approx(0.6)
        assert line["steps"] == 2  # a reset is work, but no step
        assert line["p95_ms"] == pytest.approx(1000, rel=0.02)
        assert gauge.watch.lap() == pytest.approx(4 / 17)  # the worker's watch goes on as before

    virtually(main())
