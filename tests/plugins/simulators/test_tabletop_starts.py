from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvla.core.types import Start
from rlvla.plugins.simulators.tabletop.geometry import APART, REACH_XY, SPREAD
from rlvla.plugins.simulators.tabletop.starts import draw, generator
from rlvla.plugins.simulators.tabletop.tasks import MAX_STEPS, PUSH

_STARTS = st.builds(
    Start,
    task=st.sampled_from(sorted(MAX_STEPS)),
    split=st.sampled_from(["train", "eval"]),
    index=st.integers(0, 10**12),
    seed=st.integers(0, 2**63),
)


@given(_STARTS, _STARTS)
def test_different_starts_have_different_random_numbers(one: Start, two: Start) -> None:
    same = generator(one).bytes(16) == generator(two).bytes(16)
    assert same == (one == two)


def test_train_and_eval_share_no_start() -> None:
    tips = {
        (split, draw(Start("reach", split, index), cubes=3, has_plate=False).tip.tobytes())
        for split in ("train", "eval")
        for index in range(200)
    }
    assert len({tip for _, tip in tips}) == 400


@given(_STARTS)
def test_objects_are_apart_and_in_reach(start: Start) -> None:
    layout = draw(start, cubes=3, has_plate=True)
    assert np.abs(np.vstack([layout.cubes, layout.plate])).max() <= SPREAD
    assert all(np.hypot(*(a - b)) >= APART for a, b in combinations(layout.cubes, 2))
    end = layout.cubes[layout.goal.cube] + PUSH * layout.goal.heading
    assert np.abs(end).max() <= REACH_XY


def test_every_cube_and_direction_is_asked_for() -> None:
    goals = [draw(Start("push", "train", i), cubes=3, has_plate=False).goal for i in range(200)]
    assert len({(goal.cube, goal.direction) for goal in goals}) == 12


def test_unknown_task_is_explained() -> None:
    with pytest.raises(ValueError, match="tabletop has no task 'fly'; its tasks are reach, push"):
        draw(Start("fly", "train", 0), cubes=1, has_plate=False)
