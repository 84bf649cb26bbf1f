"""Scripted experts: the next action as a function of the present state alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rlvla.plugins.simulators.tabletop.geometry import CUBE, FINGER, STEP
from rlvla.plugins.simulators.tabletop.tasks import contact, destination

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.plugins.simulators.tabletop.tasks import Goal, State

OPEN, CLOSED = -1.0, 1.0

_CLEAR = 2 * CUBE + 0.03
"""Height of the fingertips from which they may move over cubes, in metres."""
_CARRY = 2 * CUBE + 0.045
"""Height of the fingertips while they carry a cube over others, in metres."""
_HELD = 0.8
"""Largest opening of fingers that hold a cube (0.55 when they do)."""


def act(goal: Goal, state: State) -> NDArray[np.float32]:
    """Return the expert's next action, float32 [4]."""
    motion, grip = _ACTS[goal.task](goal, state)
    return np.append(np.clip(motion / STEP, -1.0, 1.0), grip).astype(np.float32)


def _reach(goal: Goal, state: State) -> tuple[NDArray[np.float64], float]:
    return contact(goal, state) - state.tip, OPEN


def _push(goal: Goal, state: State) -> tuple[NDArray[np.float64], float]:
    heading = goal.heading
    offset = (state.tip - state.cube(goal))[:2]
    ahead = float(offset @ heading)
    aside = offset - ahead * heading
    is_behind = ahead < -CUBE - FINGER[0] and float(np.linalg.norm(aside)) < 0.015
    if is_behind and state.tip[2] < 1.5 * CUBE:
        return np.append(STEP * heading - aside, CUBE - 0.004 - state.tip[2]), CLOSED
    return _descend(contact(goal, state) - (0.0, 0.0, 0.004), state.tip), CLOSED


def _pick_place(goal: Goal, state: State) -> tuple[NDArray[np.float64], float]:
    hold = contact(goal, state)
    is_around = float(np.abs(state.tip - hold).max()) < 0.014
    if not is_around:
        return _descend(hold, state.tip), OPEN
    if state.opening > _HELD and not _is_over(goal, state):
        return hold - state.tip, CLOSED
    return _carry(goal, state)


def _carry(goal: Goal, state: State) -> tuple[NDArray[np.float64], float]:
    gap = destination(goal, state) - state.cube(goal)
    if not _is_over(goal, state):
        rise = _CARRY - state.tip[2]
        return np.append(gap[:2] if rise < 0.015 else np.zeros(2), rise), CLOSED
    if gap[2] < -0.006:
        return gap, CLOSED
    return np.zeros(3), OPEN


def _is_over(goal: Goal, state: State) -> bool:
    gap = destination(goal, state) - state.cube(goal)
    return bool(np.hypot(*gap[:2]) < 0.015)


def _descend(target: NDArray[np.float64], tip: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the way to `target` that passes over what stands beside it."""
    gap = target - tip
    if float(np.hypot(*gap[:2])) < 0.01:
        return gap
    return np.append(gap[:2] if tip[2] > _CLEAR - 0.015 else np.zeros(2), _CLEAR - tip[2])


_ACTS = {"reach": _reach, "push": _push, "pick_place": _pick_place}
