from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from toys.closed import Closed

from rlvla.core.types import Queue
from rlvla.plugins.schedulers.adaptive import Adaptive
from rlvla.plugins.schedulers.curve import LearnedCurve
from rlvla.plugins.schedulers.dynamic import Dynamic
from rlvla.plugins.schedulers.greedy import Greedy
from rlvla.plugins.schedulers.returns import Returns

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


def _log_normal(mean: float, cv: float) -> Callable[[random.Random, int], float]:
    variance = math.log(1 + cv * cv)
    centre = math.log(mean) - variance / 2
    return lambda draw, lane: draw.lognormvariate(centre, math.sqrt(variance))


@pytest.mark.parametrize("cv", [0.1, 0.5, 1.0])
@pytest.mark.parametrize(
    ("lanes", "fixed", "each", "think"),
    [
        (16, 0.05, 0.009, 0.3),
        (16, 0.1, 0.0005, 0.01),
        (16, 0.1, 0.002, 0.1),
        (16, 0.05, 0.009, 1.5),
        (64, 0.1, 0.0005, 0.01),
        (64, 0.012, 0.009, 0.1),
    ],
)
def test_it_is_within_three_percent_of_the_best_fixed_batch_and_wait(
    lanes: int, fixed: float, each: float, think: float, cv: float
) -> None:
    system = Closed(lanes=lanes, think=_log_normal(think, cv), fixed=fixed, each=each)
    tries = [
        Dynamic(max_batch=max(lanes * part // 8, 1), max_wait_ms=wait * fixed * 1000)
        for part in (2, 4, 6, 7, 8)
        for wait in (0.25, 1.0, 3.0)
    ]
    rates = {one: system.rate(one, decisions=1500, warm=200) for one in tries}
    best = max(tries, key=lambda one: rates[one])
    fixed_rate = max(system.rate(one, decisions=4000, warm=500, seed=1) for one in (best, Greedy()))
    assert system.rate(Adaptive(), decisions=4000, warm=1000, seed=1) >= 0.97 * fixed_rate


@pytest.mark.parametrize(
    ("workers", "batched", "step"), [(8, False, 0.01), (4, True, 0.02)], ids=["serial", "batched"]
)
def test_lanes_that_are_back_at_once_are_served_together(
    workers: int, step: float, *, batched: bool
) -> None:
    system = Closed(
        lanes=16,
        think=_log_normal(step, 0.1),
        fixed=0.05,
        each=0.009,
        workers=workers,
        batched=batched,
    )
    together = system.rate(Dynamic(max_batch=16, max_wait_ms=50), decisions=3000, warm=500)
    assert system.rate(Adaptive(), decisions=3000, warm=500) >= 0.97 * together


def test_a_slow_generator_and_quick_simulators_make_it_wait() -> None:
    system = Closed(lanes=16, think=_log_normal(0.01, 0.1), fixed=0.1, each=0.0005)
    greedy = system.rate(Greedy(), decisions=2000, warm=500)
    assert system.rate(Adaptive(), decisions=2000, warm=500) > 1.5 * greedy


def test_the_line_is_found_from_batches_of_two_sizes() -> None:
    curve = LearnedCurve()
    for _ in range(200):
        curve.learn(4, 0.05 + 0.01 * 4)
        curve.learn(8, 0.05 + 0.01 * 8)
    assert curve.fixed == pytest.approx(0.05, rel=0.01)
    assert curve.each == pytest.approx(0.01, rel=0.01)


def test_the_slope_is_not_forgotten_while_all_batches_are_alike() -> None:
    curve = LearnedCurve()
    for size in (*range(1, 17), *[8] * 1000):
        curve.learn(size, 0.05 + 0.01 * size)
    assert curve.each == pytest.approx(0.01, rel=0.05)


def test_a_first_batch_that_compiles_is_not_learned() -> None:
    curve = LearnedCurve()
    for seconds in (30.0, 0.1, 0.1):
        curve.learn(4, seconds)
    assert curve(4) == pytest.approx(0.1)


def test_returns_depend_on_how_long_a_lane_is_away() -> None:
    returns = Returns()
    for seconds in (1.0, 2.0, 3.0, 4.0):
        returns.learn(seconds)
    assert returns.share(0.0, 2.0) == 0.5
    assert returns.share(2.5, 1.0) == 0.5
    assert returns.share(5.0, 9.0) == 0.0


def test_old_returns_are_forgotten() -> None:
    returns = Returns()
    for seconds in (*[1.0] * 600, *[2.0] * 512):
        returns.learn(seconds)
    assert returns.share(0.0, 1.5) == 0.0


@pytest.mark.parametrize(("scale", "taken"), [(1e-6, [0]), (1e-2, [])])
def test_it_does_not_wait_for_less_than_a_timer_is_worth(scale: float, taken: list[int]) -> None:
    """The other lane is back in a fifth of a batch: that would pay, if it were not rounding."""
    rule = Adaptive().rule({})
    rule.curve = LearnedCurve(fixed=scale)
    rule.returns.learn(scale / 5)
    rule.away = {1: 0.0}
    assert [*rule.take(Queue([0], {0, 1}, 0.0, 0.0, [0.0]))] == taken
