from __future__ import annotations

import math
from functools import cache

import pytest

from rlvla.core.manifest import load
from rlvla.core.plugins import Plugins
from rlvla.core.runtime.virtual.runtime import Virtual
from rlvla.core.runtime.virtual.simulation import simulate
from rlvla.plugins import BUILTIN
from rlvla.plugins.schedulers.contention import Contention, Served

FIXED, EACH, LANES = 0.02, 0.001, 32


def _steady(size: int, *, training: float, away: float) -> Contention:
    """Return what is known after equal batches of a device that training saturates."""
    contention = Contention()
    for number in range(40):
        seconds = FIXED + EACH * size + 0.01
        ended = number * (FIXED + (EACH + training) * size)
        contention.learn(Served(size, seconds, 0.01, ended, LANES, [away] * size))
    return contention


@pytest.mark.parametrize("size", [4, 8, 16])
@pytest.mark.parametrize(("training", "away"), [(0.006, 0.14), (0.004, 0.1), (0.01, 0.05)])
def test_lanes_and_a_saturated_device_are_equally_fast_at_the_balance(
    size: int, training: float, away: float
) -> None:
    # (a/b + c + τ)(N - (b - 1)/2) = s + q + a + c·b is, times 2b, a quadratic equation in b.
    busy = EACH + training
    round_trip = away + 0.01 + FIXED
    square = busy + 2 * EACH
    linear = 2 * round_trip + FIXED - busy * (2 * LANES + 1)
    constant = -FIXED * (2 * LANES + 1)
    root = (-linear + math.sqrt(linear**2 - 4 * square * constant)) / (2 * square)
    found = _steady(size, training=training, away=away).balance(FIXED, EACH, LANES)
    assert found == min(math.floor(root), LANES)


def test_a_device_that_is_always_free_asks_for_nothing() -> None:
    contention = Contention()
    for number in range(40):
        contention.learn(Served(8, 0.028, 0.0, number * 0.03, LANES, [0.1] * 8))
    assert contention.balance(FIXED, EACH, LANES) == 1


def test_a_device_with_time_to_spare_asks_for_less_than_a_saturated_one() -> None:
    idle = Contention()
    for number in range(40):
        waited = 0.01 * (number % 4 == 0)
        idle.learn(Served(8, 0.028 + waited, waited, number * 0.076, LANES, [0.14] * 8))
    saturated = _steady(8, training=0.006, away=0.14)
    assert idle.balance(FIXED, EACH, LANES) < saturated.balance(FIXED, EACH, LANES)


def test_it_never_asks_for_more_than_a_batch_holds() -> None:
    assert _steady(4, training=0.01, away=0.05).balance(FIXED, EACH, 8) == 8


def test_nothing_is_asked_for_before_anything_is_known() -> None:
    assert Contention().balance(FIXED, EACH, LANES) == 1


@cache
def _rate(profile: str, batching: str) -> float:
    """Return decisions per second, of a run that is long enough for about 2 per cent."""
    plugins = Plugins()
    plugins.load_builtin(BUILTIN)
    overrides = [f"schedulers.batching={{type: {batching}}}"]
    manifest = load(f"bench/{profile}", plugins.components, overrides=overrides)
    return simulate(manifest, Virtual(), updates=6, warmup=4).decisions_per_s


@pytest.mark.parametrize("profile", ["metaworld", "libero"])
def test_where_training_shares_the_device_it_is_near_the_best_fixed_batch(profile: str) -> None:
    fixed = [f"dynamic, max_batch: {size}, max_wait_ms: 10000" for size in (12, 16, 20)]
    best = max(_rate(profile, one) for one in fixed)
    assert _rate(profile, "adaptive") > 0.96 * best
    assert _rate(profile, "adaptive") > 1.04 * _rate(profile, "greedy")
