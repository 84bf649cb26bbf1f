from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rlvla.plugins.algorithms.relative import Relative

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.plugins.algorithms.relative import Among

GRPO = Relative(mean_level="group", std_level="group")
SCORES = arrays(np.float64, (3, 4), elements=st.floats(-5, 5, width=32))
GROUPS = np.repeat([7, 3, 5], 4)


def of(relative: Relative, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return relative.of(scores.ravel(), GROUPS).reshape(scores.shape)


@pytest.mark.parametrize(
    ("successes", "good", "bad"),
    [
        (1, 2.4749, -0.3536),
        (2, 1.6202, -0.5401),
        (3, 1.2076, -0.7246),
        (4, 0.9354, -0.9354),
        (5, 0.7246, -1.2076),
        (6, 0.5401, -1.6202),
        (7, 0.3536, -2.4749),
    ],
)
def test_advantages_of_eight_episodes_that_succeed_or_not(
    successes: int, good: float, bad: float
) -> None:
    scores = np.arange(8) < successes
    advantage = GRPO.of(scores, np.zeros(8))
    np.testing.assert_allclose(advantage, np.where(scores, good, bad), atol=5e-5)
    share = successes / 8
    closed = (1 - share) * np.sqrt(7 / (8 * share * (1 - share)))
    np.testing.assert_allclose(advantage[0], closed, rtol=1e-5)


@given(scores=SCORES)
def test_advantages_of_a_group_add_up_to_nothing_and_ignore_other_groups(
    scores: NDArray[np.float64],
) -> None:
    advantage = of(GRPO, scores)
    np.testing.assert_allclose(advantage.sum(1), 0, atol=1e-6)
    others = scores.copy()
    others[1:] *= -3
    np.testing.assert_array_equal(of(GRPO, others)[0], advantage[0])


@given(scores=SCORES, factor=st.floats(0.1, 10), shift=st.floats(-10, 10))
def test_advantages_do_not_depend_on_the_unit_of_reward(
    scores: NDArray[np.float64], factor: float, shift: float
) -> None:
    scores[:, 0] += 100  # no group is all equal
    exact = Relative(mean_level="group", std_level="group", epsilon=0.0)
    np.testing.assert_allclose(of(exact, factor * scores + shift), of(exact, scores), atol=1e-9)


@given(scores=SCORES, seed=st.integers(0, 1000))
def test_whoever_changes_places_keeps_its_advantage(scores: NDArray[np.float64], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(12)
    relative = Relative(mean_level="group", std_level="batch", leave_one_out=True)
    moved = relative.of(scores.ravel()[order], GROUPS[order])
    np.testing.assert_allclose(moved, relative.of(scores.ravel(), GROUPS)[order], atol=1e-9)


@pytest.mark.parametrize("std_level", ["group", "batch", "none"])
def test_equal_scores_have_no_advantage(std_level: Among) -> None:
    relative = Relative(mean_level="group", std_level=std_level)
    np.testing.assert_array_equal(relative.of(np.full(8, 0.3), np.arange(8) // 4), 0)


S = np.array([1.0, 0.0, 0.0, 4.0, 5.0, 0.0])
OF = np.array([0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"std_level": "none"}, [2 / 3, -1 / 3, -1 / 3, 1, 2, -3]),
        ({"std_level": "none", "leave_one_out": True}, [1, -1 / 2, -1 / 2, 3 / 2, 3, -9 / 2]),
        ({"mean_level": "none", "std_level": "none"}, S),
        ({"mean_level": "batch", "std_level": "none"}, S - 10 / 6),
        ({"mean_level": "batch", "std_level": "batch"}, (S - 10 / 6) / S.std(ddof=1)),
        (
            {"std_level": "batch"},
            np.array([2 / 3, -1 / 3, -1 / 3, 1, 2, -3]) / np.sqrt((2 / 3 + 14) / 5),
        ),
        (
            {"mean_level": "none"},
            S / np.repeat([S[:3].std(ddof=1), S[3:].std(ddof=1)], 3),
        ),
    ],
    ids=["dr_grpo", "rloo", "score", "batch", "batch_norm", "reinforce++", "only_std"],
)
def test_variants_by_hand(options: dict[str, Any], expected: NDArray[np.float64]) -> None:
    usual: dict[str, Any] = {"mean_level": "group", "std_level": "group", "epsilon": 0.0}
    relative = Relative(**(usual | options))
    np.testing.assert_allclose(relative.of(S, OF), expected)
