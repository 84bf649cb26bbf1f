from __future__ import annotations

import pytest

from rlvla.plugins.bench.comparison import Spread, compare, to_json
from rlvla.plugins.bench.measurement import Measurement


def measured(schedule: str, rate: float, **busy: float) -> Measurement:
    return Measurement(
        schedule=schedule,
        seed=0,
        decisions_per_s=rate,
        steps_per_s=5 * rate,
        staleness=0.5,
        busy=busy,
    )


REPETITIONS = [
    [
        measured("vectorised", 50, gpu=0.4, simulator=0.5),
        measured("pipelined k=2", 60, gpu=0.5, simulator=0.6),
        measured("pipelined k=4", 80, gpu=0.7, simulator=0.8),
        measured("fully async", 100, gpu=0.8, simulator=0.95),
    ],
    [
        measured("vectorised", 40, gpu=0.4, simulator=0.5),
        measured("pipelined k=2", 80, gpu=0.5, simulator=0.6),
        measured("pipelined k=4", 60, gpu=0.7, simulator=0.8),
        measured("fully async", 120, gpu=0.8, simulator=0.75),
    ],
    [
        measured("vectorised", 60, gpu=0.4, simulator=0.5),
        measured("pipelined k=2", 70, gpu=0.5, simulator=0.6),
        measured("pipelined k=4", 70, gpu=0.7, simulator=0.8),
        measured("fully async", 105, gpu=0.8, simulator=1.0),
    ],
]


def test_each_repetition_is_compared_with_its_own_baselines() -> None:
    baseline, *_, full = compare(REPETITIONS)
    assert (baseline.schedule, full.schedule) == ("vectorised", "fully async")
    assert full.speedup == Spread(2.0, 1.75, 3.0)
    assert full.over_pipelined == Spread(1.5, 1.25, 1.5)
    assert full.decisions_per_s == Spread(105, 100, 120)
    assert baseline.speedup == Spread(1.0, 1.0, 1.0)


def test_the_bound_is_what_the_busiest_resource_could_do() -> None:
    full = compare(REPETITIONS)[-1]
    assert full.bottleneck == "simulator"
    assert full.bound_share == Spread(0.95, 0.8, 1.0)
    assert full.bound == pytest.approx((100 / 0.95 + 120 / 0.8 + 105) / 3)
    assert full.busy == pytest.approx({"gpu": 0.8, "simulator": 0.9})


def test_what_was_not_run_is_not_compared_with() -> None:
    only = [[measured("fully async", 100, gpu=1.0)]]
    (line,) = compare(only)
    assert line.speedup is None
    assert line.over_pipelined is None
    assert to_json([line])[0]["speedup"] is None
