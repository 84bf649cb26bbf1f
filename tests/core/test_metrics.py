from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable


def _equal(row: dict[str, float], expected: dict[str, float]) -> None:
    assert row.keys() == expected.keys()
    np.testing.assert_allclose([row[name] for name in expected], list(expected.values()))


def test_a_row_tells_what_happened_since_the_last(virtually: Callable[..., object]) -> None:
    async def main() -> None:
        metrics = Metrics(2)
        metrics.simulators[0].watch.begin()
        metrics.generators[0].watch.begin()
        await asyncio.sleep(1)
        metrics.generators[0].watch.end()
        await asyncio.sleep(3)
        metrics.episode(success=True, steps=10, reward=1.0)
        metrics.episode(success=False, steps=20, reward=-0.5)
        metrics.trained(5, (4, 5, 3, 4))
        metrics.trained(5, (5,))
        metrics.step(2)
        metrics.batch(2)
        metrics.batch(6)
        _equal(
            metrics.row(),
            {
                "time/decisions_per_s": 2.0,
                "time/steps_per_s": 0.5,
                "time/seconds": 4.0,
                "rollout/success": 0.5,
                "rollout/episode_steps": 15.0,
                "rollout/reward": 0.25,
                "rollout/reward_recent": 0.25,
                "rollout/episodes": 2,
                "async/staleness_mean": 4 / 5,
                "async/staleness_max": 2,
                "async/batch_size": 4.0,
                "wait/simulator": 0.5,
                "wait/generator": 0.75,
                "wait/trainer": 1.0,
            },
        )
        await asyncio.sleep(2)
        _equal(
            metrics.row(),
            {
                "time/decisions_per_s": 0.0,
                "time/steps_per_s": 0.0,
                "time/seconds": 2.0,
                "wait/simulator": 0.5,
                "wait/generator": 1.0,
                "wait/trainer": 1.0,
            },
        )

    virtually(main())


def test_a_row_at_once_after_another_is_finite(virtually: Callable[..., object]) -> None:
    async def main() -> None:
        metrics = Metrics(1)
        row = metrics.row()
        assert row["time/decisions_per_s"] == 0
        assert all(0 <= row[f"wait/{name}"] <= 1 for name in ("simulator", "generator", "trainer"))

    virtually(main())
