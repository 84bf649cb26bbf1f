"""The tasks: what is said, what counts as success, how near the hand is to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlvla.plugins.simulators.tabletop.geometry import CUBE, FINGER, PLATE_HEIGHT

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from rlvla.plugins.simulators.tabletop import TaskName

MAX_STEPS: dict[TaskName, int] = {"reach": 12, "push": 24, "pick_place": 36}
"""After how many actions an episode of the task is cut, unless the manifest says otherwise."""

LOWEST: dict[TaskName, float] = {"reach": 2 * CUBE + 0.006, "push": 0.01, "pick_place": 0.01}
"""Least height of the fingertips, in metres; a reach stays over the cubes and moves none."""

DIRECTIONS = {
    "to the left": (-1.0, 0.0),
    "to the right": (1.0, 0.0),
    "forward": (0.0, 1.0),
    "back": (0.0, -1.0),
}
"""Words of a push and the direction they mean, as seen in the images."""

PUSH = 0.06
"""How far a push moves its cube, in metres."""

REACHED = 0.024
"""Largest horizontal distance of the fingertips from a reached cube, in metres."""
REACHED_Z = 2 * CUBE + 0.025
"""Largest height of the fingertips at a reached cube, in metres."""


@dataclass(frozen=True)
class Goal:
    """What an episode asks for."""

    task: TaskName
    cube: int
    """Place of the named cube among the scene's colours."""
    direction: str = ""
    """Of a push: one of `DIRECTIONS`; else empty."""

    @property
    def heading(self) -> NDArray[np.float64]:
        """Unit vector of the push, float64 [2]; zero for other tasks."""
        return np.array(DIRECTIONS.get(self.direction, (0.0, 0.0)))


@dataclass(frozen=True)
class State:
    """Where things are, in metres; float64."""

    tip: NDArray[np.float64]
    """[3], the point between the fingertips."""
    opening: float
    """0 is closed, 1 is open."""
    cubes: NDArray[np.float64]
    """[cubes, 3], centres."""
    plate: NDArray[np.float64]
    """[3], the middle of the plate's underside; zero if there is no plate."""
    origins: NDArray[np.float64]
    """[cubes, 3], where the cubes were at the start."""

    def cube(self, goal: Goal) -> NDArray[np.float64]:
        """Return where the named cube is, [3]."""
        cube: NDArray[np.float64] = self.cubes[goal.cube]
        return cube

    def origin(self, goal: Goal) -> NDArray[np.float64]:
        """Return where the named cube was at the start, [3]."""
        origin: NDArray[np.float64] = self.origins[goal.cube]
        return origin


def instruction(goal: Goal, color: str) -> str:
    """Return `goal` in words, for a cube of `color`."""
    if goal.task == "reach":
        return f"reach the {color} cube"
    if goal.task == "push":
        return f"push the {color} cube {goal.direction}"
    return f"put the {color} cube on the plate"


def achieved(goal: Goal, state: State) -> bool:
    """Return whether `state` is a success."""
    if goal.task == "reach":
        return _is_reached(state.tip, state.cube(goal))
    if goal.task == "push":
        return _is_pushed(goal, state)
    return _is_placed(goal, state)


def destination(goal: Goal, state: State) -> NDArray[np.float64]:
    """Return where the named cube shall come to rest, float64 [3]; where it is, for a reach."""
    if goal.task == "push":
        return _shifted(state.origin(goal), PUSH * np.append(goal.heading, 0.0))
    if goal.task == "pick_place":
        return _shifted(state.plate, (0.0, 0.0, PLATE_HEIGHT + CUBE))
    return state.cube(goal)


def contact(goal: Goal, state: State) -> NDArray[np.float64]:
    """Return where the fingertips take hold of the named cube, float64 [3]."""
    cube = state.cube(goal)
    if goal.task == "reach":
        return _shifted(cube, (0.0, 0.0, CUBE + 0.012))
    if goal.task == "push":
        behind = CUBE + 2 * FINGER[0] + 0.012
        return _shifted(cube, -behind * np.append(goal.heading, 0.0))
    return _shifted(cube, (0.0, 0.0, -0.008))


def potential(goal: Goal, state: State) -> float:
    """Return the potential of the shaped reward, in [-3, 0] and 0 near success.

    The fingertips' distance from the cube plus, for a push or a placement, twice the cube's
    distance from its destination, each as a share of about the longest. The shaped reward is
    the potential's gain under an action (Ng, Harada and Russell 1999, undiscounted).
    """
    tip = float(np.linalg.norm(state.tip - contact(goal, state)))
    gap = state.cube(goal) - destination(goal, state)
    if goal.task == "push":
        remaining = max(0.0, -float(gap[:2] @ goal.heading)) / PUSH
    else:
        remaining = float(np.linalg.norm(gap)) / 0.4
    return -min(tip / 0.4, 1.0) - 2 * min(remaining, 1.0)


def _shifted(point: NDArray[np.float64], way: ArrayLike) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = point + np.asarray(way)
    return moved


def _is_reached(tip: NDArray[np.float64], cube: NDArray[np.float64]) -> bool:
    return bool(np.hypot(*(tip - cube)[:2]) < REACHED and tip[2] < REACHED_Z)


def _is_pushed(goal: Goal, state: State) -> bool:
    moved = (state.cube(goal) - state.origin(goal))[:2]
    ahead = float(moved @ goal.heading)
    aside = float(np.linalg.norm(moved - ahead * goal.heading))
    return ahead >= PUSH and aside <= ahead / 2


def _is_placed(goal: Goal, state: State) -> bool:
    gap = state.cube(goal) - destination(goal, state)
    rests = abs(float(gap[2])) < 0.006
    return bool(rests and np.hypot(*gap[:2]) < 0.035 and state.opening > 0.75)
