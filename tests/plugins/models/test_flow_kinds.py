from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from rlvla.plugins.models.flow import kinds
from rlvla.plugins.models.flow.sampler import Sampler
from rlvla.plugins.models.flow.sampling import FlowSampling, Kind

if TYPE_CHECKING:
    import torch

Doubles = NDArray[np.float64]
Number = TypeVar("Number", Doubles, "torch.Tensor")

MEAN, VARIANCE = 1.3, 0.4
"""Of the data whose exact velocity is known."""
ONE = np.ones(1, np.float32)


def slope(time: Number) -> Number:
    """Return Cov(e - a, x) / Var(x), by which the exact velocity changes with x."""
    return (time - (1 - time) * VARIANCE) / (time**2 + (1 - time) ** 2 * VARIANCE)


def marginal(sampling: FlowSampling, deviation: Doubles) -> tuple[float, float]:
    """Propagate mean and variance of x through all steps, which are affine in x."""
    mean, variance = 0.0, 1.0
    time = kinds.times(sampling)
    points, velocities = kinds.weights(sampling, time[None], deviation.astype(np.float32)[None])
    gain = slope(time)
    for k, one in enumerate(deviation):
        velocity = -MEAN + gain[k] * (mean - (1 - time[k]) * MEAN)
        mean = points[0, k] * mean + velocities[0, k] * velocity
        variance *= (points[0, k] + velocities[0, k] * gain[k]) ** 2
        variance += one**2
    return float(mean), float(variance)


def deviations(sampling: FlowSampling) -> Doubles:
    """Return the deviation of each of the K steps at temperature 1."""
    drawn = kinds.recorded(sampling, ONE)[0].astype(np.float64)
    return np.pad(drawn, (0, sampling.steps - len(drawn)))


@pytest.mark.parametrize(
    ("steps", "expected"), [(3, [0.5, 0.4082, 0.2041]), (4, [0.5, 0.4330, 0.25, 0.1443])]
)
def test_deviations_are_those_of_the_published_table(steps: int, expected: list[float]) -> None:
    assert deviations(FlowSampling(steps=steps)) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("steps", [2, 5, 10])
def test_the_first_and_the_last_deviation_have_a_closed_form(steps: int) -> None:
    first, *_, last = deviations(FlowSampling(steps=steps, noise=0.7))
    assert first == pytest.approx(0.7)
    assert last == pytest.approx(0.7 / np.sqrt(steps * (steps - 1)))


@pytest.mark.parametrize("steps", [1, 2, 4, 10])
def test_the_mean_has_the_form_in_predicted_action_and_noise(steps: int) -> None:
    """The weights (1 - s), (s - sigma^2/2Kt) of x - tv and x + (1 - t)v, where s = t - 1/K."""
    sampling = FlowSampling(steps=steps, noise=0.7)
    random = np.random.default_rng(0)
    point, velocity = random.normal(size=(2, steps))
    time = kinds.times(sampling)
    sigma = 0.7 * np.sqrt(time / np.where(time == 1, 1 / steps, 1 - time))
    later = time - 1 / steps
    action, noise = point - time * velocity, point + (1 - time) * velocity
    expected = action * (1 - later) + noise * (later - sigma**2 / steps / (2 * time))
    deviation = sigma / np.sqrt(steps)
    points, velocities = kinds.weights(sampling, time, deviation.astype(np.float32))
    assert points * point + velocities * velocity == pytest.approx(expected, abs=1e-6)
    assert deviations(sampling) == pytest.approx(deviation, abs=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_cps_turns_predicted_noise_into_fresh_noise(share: float) -> None:
    sampling = FlowSampling(kind="cps", steps=5, noise=share)
    random = np.random.default_rng(0)
    point, velocity = random.normal(size=(2, 5))
    time, later = kinds.times(sampling), kinds.times(sampling) - 0.2
    action, noise = point - time * velocity, point + (1 - time) * velocity
    angle = np.pi * share / 2
    expected = action * (1 - later) + noise * later * np.cos(angle)
    drawn = deviations(sampling)
    points, velocities = kinds.weights(sampling, time, drawn.astype(np.float32))
    assert drawn == pytest.approx(later * np.sin(angle), abs=1e-7)
    assert points * point + velocities * velocity == pytest.approx(expected, abs=1e-3)


def test_cps_never_draws_more_noise_than_is_left() -> None:
    drawn = kinds.recorded(FlowSampling(kind="cps", noise=0.5), np.array([9.0], np.float32))
    assert drawn[0] == pytest.approx([0.75, 0.5, 0.25])


@pytest.mark.parametrize("kind", ["sde", "cps", "noise"])
def test_without_noise_every_step_is_eulers(kind: Kind) -> None:
    sampling = FlowSampling(kind=kind, steps=5)
    points, velocities = kinds.weights(sampling, kinds.times(sampling), np.zeros(5, np.float32))
    assert points == pytest.approx(1)
    assert velocities == pytest.approx(-1 / 5)


def test_the_mean_comes_to_eulers_with_the_square_of_the_noise() -> None:
    errors = list[float]()
    for noise in (0.1, 0.01, 0.001):
        sampling = FlowSampling(noise=noise)
        drawn = kinds.recorded(sampling, ONE)[0]
        points, velocities = kinds.weights(sampling, kinds.times(sampling), drawn)
        errors.append(float(np.abs(points - 1 + 0.7 * (velocities + 1 / 4)).max()))
    assert errors[0] / errors[1] == pytest.approx(100, rel=1e-3)
    assert errors[1] / errors[2] == pytest.approx(100, rel=1e-3)


@pytest.mark.parametrize(
    ("steps", "noise", "expected"),
    [
        (4, 0.0, 0.19787),
        (4, 0.5, 0.27672),
        (4, 1.0, 0.39755),
        (8, 0.0, 0.28339),
        (8, 0.5, 0.33314),
        (8, 1.0, 0.39100),
        (64, 0.0, 0.38324),
        (64, 0.5, 0.39552),
        (64, 1.0, 0.40007),
        (512, 0.0, 0.39787),
        (512, 0.5, 0.40220),
        (512, 1.0, 0.40027),
    ],
)
def test_marginals_have_the_variance_of_the_closed_form(
    steps: int, noise: float, expected: float
) -> None:
    sampling = FlowSampling(steps=steps, noise=noise or 0.5)
    drawn = deviations(sampling) if noise else np.zeros(steps)
    mean, variance = marginal(sampling, drawn)
    assert mean == pytest.approx(MEAN, abs=1e-5)
    assert variance == pytest.approx(expected, abs=6e-6)


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_cps_keeps_the_amount_of_noise_on_the_way_to_a_point(share: float) -> None:
    """Of a single action a the exact velocity is (x - a) / t, and the noise at t is to be t."""
    sampling = FlowSampling(kind="cps", steps=5, noise=share)
    time, drawn = kinds.times(sampling), deviations(sampling)
    points, velocities = kinds.weights(sampling, time, drawn.astype(np.float32))
    mean, variance = 0.0, 1.0
    for k in range(5):
        mean = points[k] * mean + velocities[k] * (mean - MEAN) / time[k]
        variance = (points[k] + velocities[k] / time[k]) ** 2 * variance + drawn[k] ** 2
        assert mean == pytest.approx(MEAN * (k + 1) / 5)
        assert variance == pytest.approx((1 - (k + 1) / 5) ** 2, abs=1e-6)


@pytest.mark.parametrize("kind", ["sde", "cps"])
def test_what_is_drawn_has_the_marginal(kind: Kind) -> None:
    sampling = FlowSampling(kind=kind, stochastic="all")
    sampler = Sampler(sampling=sampling, horizon=1, width=1, chunk=1, dimensions=1)

    def exact(points: torch.Tensor, times: torch.Tensor) -> tuple[torch.Tensor, None]:
        time = times[:, None, None]
        return slope(time) * (points - (1 - time) * MEAN) - MEAN, None

    seeds = np.arange(200_000, dtype=np.uint64)
    drawn = sampler.draw(exact, seeds=seeds, temperature=np.ones(len(seeds), np.float32))
    mean, variance = marginal(sampling, deviations(sampling))
    error = 4 / np.sqrt(len(seeds))
    assert drawn.action.mean().item() == pytest.approx(mean, abs=error * np.sqrt(variance))
    assert drawn.action.var().item() == pytest.approx(variance, rel=error * np.sqrt(2))
