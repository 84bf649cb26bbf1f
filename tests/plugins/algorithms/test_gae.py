from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from rlvla.plugins.algorithms.gae import gae
from rlvla.plugins.algorithms.steps import Steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array

REWARD, VALUE = [1.0, 0.0, 2.0, -1.0], [1.0, 2.0, 3.0, 0.5]


def _gae(
    segment: dict[str, Array], value: Array, bootstrap: Array, *, gamma: float, gae_lambda: float
) -> NDArray[np.float64]:
    return gae(Steps.of(segment, value, bootstrap, gamma=gamma), gae_lambda)


def _segment(reward: object, chunk: int = 1) -> dict[str, Array]:
    rewards = np.array(reward, np.float64).reshape(-1, chunk)
    flags = np.zeros(rewards.shape, np.bool_)
    return {
        "reward": rewards,
        "terminated": flags,
        "truncated": flags.copy(),
        "valid": ~flags,
    }


def _random(*, length: int, chunk: int, width: int) -> tuple[dict[str, Array], Array, Array]:
    """Return a segment of episodes that end in all ways, its values and its bootstrap."""
    random = np.random.default_rng(length)
    segment = _segment(random.normal(size=length * chunk), chunk)
    for row in range(0, length - 1, 3):
        last = int(random.integers(chunk))
        segment["terminated" if row % 2 else "truncated"][row, last] = True
        segment["valid"][row, last + 1 :] = False
    return segment, random.normal(size=(length, width)), random.normal(size=(length, width))


def _column(values: object) -> NDArray[np.float64]:
    return np.array(values, np.float64).reshape(-1, 1)


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        (None, [1.542989, -0.35696, -1.468, -1.275]),
        ("truncated", [3.65184, 2.572, 2.6, -1.275]),
        ("terminated", [1.7856, -0.02, -1, -1.275]),
    ],
)
def test_golden_vectors(flag: str | None, expected: list[float]) -> None:
    segment = _segment(REWARD)
    if flag:
        segment[flag][2] = True
    advantage = _gae(segment, _column(VALUE), _column([0, 0, 4, 0.25]), gamma=0.9, gae_lambda=0.8)
    np.testing.assert_allclose(advantage[:, 0], expected, atol=5e-7)


def test_a_termination_outweighs_a_truncation() -> None:
    segment = _segment([1.0])
    segment["terminated"] = segment["truncated"] = np.array([[True]])
    advantage = _gae(segment, _column([0.25]), _column([np.nan]), gamma=0.9, gae_lambda=0.8)
    assert advantage.tolist() == [[0.75]]


def test_without_lambda_it_is_the_temporal_difference() -> None:
    advantage = _gae(
        _segment(REWARD), _column(VALUE), _column([0, 0, 0, 0.25]), gamma=0.9, gae_lambda=0.0
    )
    following = np.array([2.0, 3.0, 0.5, 0.25])
    expected = np.array(REWARD) + 0.9 * following - np.array(VALUE)
    np.testing.assert_allclose(advantage[:, 0], expected, rtol=1e-12)


def test_without_values_it_is_the_discounted_return_to_go() -> None:
    segment = _segment(REWARD)
    advantage = _gae(segment, np.zeros((4, 1)), np.zeros((4, 1)), gamma=0.9, gae_lambda=1.0)
    expected = [sum(0.9**k * r for k, r in enumerate(REWARD[t:])) for t in range(4)]
    np.testing.assert_allclose(advantage[:, 0], expected, rtol=1e-12)


def test_with_lambda_1_values_only_shift_the_bootstrapped_return() -> None:
    segment, value, bootstrap = _random(length=10, chunk=1, width=1)
    returns = _gae(segment, np.zeros_like(value), bootstrap, gamma=0.9, gae_lambda=1.0)
    advantage = _gae(segment, value, bootstrap, gamma=0.9, gae_lambda=1.0)
    np.testing.assert_allclose(advantage, returns - value, rtol=1e-10)


def test_a_constant_added_to_the_values_changes_nothing_undiscounted() -> None:
    segment = _segment(REWARD)
    value, bootstrap = _column(VALUE), _column([0, 0, 0, 0.25])
    first = _gae(segment, value, bootstrap, gamma=1.0, gae_lambda=0.8)
    second = _gae(segment, value + 7, bootstrap + 7, gamma=1.0, gae_lambda=0.8)
    np.testing.assert_allclose(first, second, rtol=1e-10)


@pytest.mark.parametrize(("chunk", "width"), [(1, 1), (3, 1), (3, 3)])
def test_a_truncation_is_a_termination_with_the_value_added_to_the_reward(
    chunk: int, width: int
) -> None:
    segment, value, bootstrap = _random(length=10, chunk=chunk, width=width)
    augmented = {
        **segment,
        "reward": segment["reward"] + 0.9 * bootstrap[:, :1] * segment["truncated"],
        "terminated": segment["terminated"] | segment["truncated"],
        "truncated": np.zeros_like(segment["truncated"]),
    }
    np.testing.assert_allclose(
        _gae(segment, value, bootstrap, gamma=0.9, gae_lambda=0.8),
        _gae(augmented, value, bootstrap, gamma=0.9, gae_lambda=0.8),
        atol=1e-12,
    )


@pytest.mark.parametrize("cut", range(1, 10))
def test_without_lambda_a_segment_can_be_split_anywhere(cut: int) -> None:
    segment, value, bootstrap = _random(length=10, chunk=1, width=1)
    whole = _gae(segment, value, bootstrap, gamma=0.9, gae_lambda=0.0)
    goes_on = not (segment["terminated"] | segment["truncated"])[cut - 1, 0]
    if goes_on:
        bootstrap[cut - 1] = value[cut]
    parts = [
        _gae(
            {name: one[part] for name, one in segment.items()},
            value[part],
            bootstrap[part],
            gamma=0.9,
            gae_lambda=0.0,
        )
        for part in (slice(cut), slice(cut, None))
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12)


def test_episodes_of_a_segment_do_not_influence_each_other() -> None:
    segment, value, bootstrap = _random(length=10, chunk=2, width=2)
    before = _gae(segment, value, bootstrap, gamma=0.9, gae_lambda=0.8)
    first_end = int(np.flatnonzero((segment["terminated"] | segment["truncated"]).any(1))[1])
    segment["reward"][first_end + 1 :] += 100
    value[first_end + 1 :] += 100
    after = _gae(segment, value, bootstrap, gamma=0.9, gae_lambda=0.8)
    np.testing.assert_array_equal(before[: first_end + 1], after[: first_end + 1])


def test_actions_are_steps_if_each_has_a_value() -> None:
    segment, value, bootstrap = _random(length=10, chunk=3, width=3)
    advantage = _gae(segment, value, bootstrap, gamma=0.9, gae_lambda=0.8)
    valid = segment["valid"]
    flat = {name: one[valid][:, None] for name, one in segment.items()}
    beyond = np.broadcast_to(bootstrap[:, :1], valid.shape)[valid][:, None]
    expected = _gae(flat, value[valid][:, None], beyond, gamma=0.9, gae_lambda=0.8)
    np.testing.assert_array_equal(advantage[valid], expected[:, 0])
    assert np.isnan(advantage[~valid]).all()


def test_decisions_are_steps_if_each_has_one_value() -> None:
    segment, value, bootstrap = _random(length=10, chunk=3, width=1)
    folded: dict[str, Array] = {
        name: np.asarray(one.any(1))[:, None] for name, one in segment.items() if name != "reward"
    }
    folded["reward"] = np.where(segment["valid"], segment["reward"], 0).sum(1, keepdims=True)
    np.testing.assert_array_equal(
        _gae(segment, value, bootstrap, gamma=0.9, gae_lambda=0.8),
        _gae(folded, value, bootstrap, gamma=0.9, gae_lambda=0.8),
    )


@pytest.mark.parametrize("width", [1, 3])
def test_what_was_not_executed_is_not_looked_at(width: int) -> None:
    segment, value, bootstrap = _random(length=10, chunk=3, width=width)
    clean = _gae(segment, value, bootstrap, gamma=0.9, gae_lambda=0.8)
    unused = ~segment["valid"]
    assert unused.any()
    segment["reward"][unused] = np.nan
    segment["terminated"] = segment["terminated"] | unused
    if width > 1:
        value[unused] = np.nan
    poisoned = _gae(segment, value, bootstrap, gamma=0.9, gae_lambda=0.8)
    np.testing.assert_array_equal(clean, poisoned)


def _per_step(segment: dict[str, Array], value: Array, bootstrap: Array) -> Steps:
    return Steps.of(segment, value, bootstrap, gamma=0.9, chunk_discount="per_step")


@pytest.mark.parametrize("trace", [0.0, 0.8, 1.0])
def test_discounted_per_step_a_chunk_of_one_action_is_a_decision(trace: float) -> None:
    segment, value, bootstrap = _random(length=10, chunk=1, width=1)
    np.testing.assert_array_equal(
        gae(_per_step(segment, value, bootstrap), trace),
        _gae(segment, value, bootstrap, gamma=0.9, gae_lambda=trace),
    )


def test_discounted_per_step_the_return_of_a_decision_is_that_of_its_first_action() -> None:
    segment, value, bootstrap = _random(length=10, chunk=3, width=1)
    assert not segment["valid"].all()
    returns = gae(_per_step(segment, value, bootstrap), 1.0) + value
    actions = np.zeros((10, 3))
    beyond = np.repeat(bootstrap, 3, axis=1)
    expected = _gae(segment, actions, beyond, gamma=0.9, gae_lambda=1.0)
    np.testing.assert_allclose(returns[:, 0], expected[:, 0], rtol=1e-12)


def test_discounted_per_step_by_hand() -> None:
    segment = _segment([[1.0, 2.0, 4.0], [8.0, 3.0, 7.0], [5.0, 1.0, 2.0]], 3)
    segment["truncated"][1, 1] = True
    segment["valid"][1, 2] = False
    value, bootstrap = _column([1.0, 2.0, 3.0]), _column([0.0, 10.0, 20.0])
    errors = [
        1 + 0.9 * 2 + 0.81 * 4 + 0.729 * 2 - 1,
        8 + 0.9 * 3 + 0.81 * 10 - 2,
        5 + 0.9 * 1 + 0.81 * 2 + 0.729 * 20 - 3,
    ]
    expected = [errors[0] + 0.729 * 0.8 * errors[1], *errors[1:]]
    advantage = gae(_per_step(segment, value, bootstrap), 0.8)
    np.testing.assert_allclose(advantage[:, 0], expected, rtol=1e-12)
