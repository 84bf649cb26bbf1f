from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys.segments import Made, made

from rlvla.plugins.algorithms.gae import gae
from rlvla.plugins.algorithms.steps import Steps
from rlvla.plugins.algorithms.vtrace import VTrace

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMPALA = VTrace(trace=1.0, rho_bar=1.0, c_bar=1.0)
RATIO = np.array([[2.0], [0.5], [1.5], [0.8]])
SHAPES = st.sampled_from([(1, 1), (3, 1), (3, 3)])


def _golden(flag: str | None) -> Made:
    flags = {name: np.zeros((4, 1), np.bool_) for name in ("terminated", "truncated")}
    if flag:
        flags[flag][2] = True
    segment = {"reward": np.array([[1.0], [0], [2], [-1]]), "valid": np.ones((4, 1), np.bool_)}
    value, bootstrap = np.array([[1.0], [2], [3], [0.5]]), np.array([[0.0], [0], [4], [0.25]])
    return Made({**segment, **flags}, value, bootstrap, RATIO)


@pytest.mark.parametrize(
    ("flag", "target", "weighted"),
    [
        (None, [2.52046, 1.6894, 1.532, -0.52], [1.52046, -0.3106, -1.468, -1.02]),
        ("truncated", [4.168, 3.52, 5.6, -0.52], [3.168, 1.52, 2.6, -1.02]),
        ("terminated", [2.71, 1.9, 2, -0.52], [1.71, -0.1, -1, -1.02]),
    ],
)
def test_golden_vectors(flag: str | None, target: list[float], weighted: list[float]) -> None:
    advantage, value = IMPALA.of(_golden(flag).steps(0.9), RATIO)
    np.testing.assert_allclose(value[:, 0], target, atol=5e-7)
    np.testing.assert_allclose((np.minimum(1, RATIO) * advantage)[:, 0], weighted, atol=5e-7)


@settings(deadline=None, derandomize=True, database=None)
@given(st.integers(0, 999), st.integers(1, 12), SHAPES, st.floats(0, 1), st.floats(0, 1))
def test_on_policy_it_is_generalised_advantage_estimation(
    seed: int, length: int, shape: tuple[int, int], gamma: float, trace: float
) -> None:
    chunk, width = shape
    one = made(seed=seed, length=length, chunk=chunk, width=width)
    steps = one.steps(gamma)
    advantage, target = VTrace(trace=trace, rho_bar=1, c_bar=1).of(steps, np.ones_like(one.ratio))
    expected = gae(steps, trace)
    np.testing.assert_allclose(advantage, expected, atol=1e-12)
    np.testing.assert_allclose(target, expected + one.value, atol=1e-12)


def test_without_the_mixture_the_advantage_would_be_another() -> None:
    one = made(seed=1, length=12)
    steps = one.steps(0.99)
    _, target = VTrace(trace=0.95, rho_bar=1, c_bar=1).of(steps, np.ones_like(one.ratio))
    unmixed = steps.error + steps.decay(1.0) * np.append((target - one.value)[1:, 0], 0)
    assert np.abs(unmixed - gae(steps, 0.95)[:, 0]).max() > 0.01


def test_with_a_bound_of_zero_the_target_is_the_value() -> None:
    one = made(seed=5, length=10, chunk=3, width=3)
    _, target = VTrace(trace=0.9, rho_bar=0, c_bar=0).of(one.steps(0.9), one.ratio)
    executed = one.segment["valid"]
    np.testing.assert_array_equal(target[executed], one.value[executed])
    assert np.isnan(target[~executed]).all()
    assert not executed.all()


@pytest.mark.parametrize("rho_bar", [0.7, 1.0, np.inf])
def test_its_fixed_point_is_the_value_of_the_policy_that_the_paper_names(rho_bar: float) -> None:
    """Proportional to min(rho_bar b, pi): theorem 1 of arXiv 1802.01561, on one decision."""
    behaviour, target = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
    reward = np.array([1.0, -2.0, 3.0])
    policy = np.minimum(rho_bar * behaviour, target)
    value = (policy * reward).sum() / policy.sum()
    gained = [
        _single(reward[action], value, target[action] / behaviour[action], rho_bar) - value
        for action in range(3)
    ]
    assert np.dot(behaviour, gained) == pytest.approx(0, abs=1e-12)


def _single(reward: float, value: float, ratio: float, rho_bar: float) -> float:
    flags = {name: np.zeros((1, 1), np.bool_) for name in ("terminated", "truncated")}
    flags["terminated"][:] = True
    segment = {"reward": np.array([[reward]]), "valid": np.ones((1, 1), np.bool_), **flags}
    steps = Steps.of(segment, np.array([[value]]), np.zeros((1, 1)), gamma=0.9)
    _, target = VTrace(trace=1, rho_bar=rho_bar, c_bar=0.5).of(steps, np.array([[ratio]]))
    return float(target.item())


def test_without_bounds_its_mean_under_the_behaviour_is_the_value_under_the_policy() -> None:
    """All paths of two decisions of two actions; rewards depend on both."""
    behaviour, policy = np.array([0.7, 0.3]), np.array([0.4, 0.6])
    unbounded = VTrace(trace=1, rho_bar=np.inf, c_bar=np.inf)
    flags = {name: np.zeros((2, 1), np.bool_) for name in ("terminated", "truncated")}
    flags["terminated"][1] = True
    estimate, truth = 0.0, 0.0
    for path in product(range(2), repeat=2):
        reward = np.array([[1.0 + path[0]], [2.0 * path[1] - path[0]]])
        segment = {"reward": reward, "valid": np.ones((2, 1), np.bool_), **flags}
        steps = Steps.of(segment, np.array([[0.3], [-0.8]]), np.zeros((2, 1)), gamma=0.9)
        taken = list(path)
        ratio: NDArray[np.float64] = (policy / behaviour)[taken][:, None]
        _, target = unbounded.of(steps, ratio)
        estimate += behaviour[taken].prod() * target[0, 0]
        truth += policy[taken].prod() * (reward[0, 0] + 0.9 * reward[1, 0])
    assert estimate == pytest.approx(truth, abs=1e-12)


def test_nothing_of_an_episode_reaches_the_one_before() -> None:
    one = made(seed=3, length=12, chunk=2, width=2)
    end = int(np.flatnonzero((one.segment["terminated"] | one.segment["truncated"]).any(1))[0])
    before = VTrace(trace=0.9, rho_bar=2, c_bar=1).of(one.steps(0.9), one.ratio)
    one.segment["reward"][end + 1 :] += 100
    one.value[end + 1 :] += 100
    one.ratio[end + 1 :] += 100
    after = VTrace(trace=0.9, rho_bar=2, c_bar=1).of(one.steps(0.9), one.ratio)
    for left, right in zip(before, after, strict=True):
        np.testing.assert_array_equal(left[: end + 1], right[: end + 1])
        assert not np.array_equal(left[end + 1 :], right[end + 1 :])
