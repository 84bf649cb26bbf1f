"""Where an episode begins: a pure function of its `Start`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlvla.plugins.simulators.tabletop.geometry import (
    APART,
    HAND_START,
    HAND_START_Z,
    PLATE_RADIUS,
    REACH_XY,
    SPREAD,
)
from rlvla.plugins.simulators.tabletop.tasks import DIRECTIONS, MAX_STEPS, PUSH, Goal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Start
    from rlvla.plugins.simulators.tabletop import TaskName

_APPROACH = 0.075
"""Free length behind a cube to be pushed, for the hand."""


@dataclass(frozen=True)
class Layout:
    """The beginning of an episode, in metres and radians."""

    goal: Goal
    tip: NDArray[np.float64]
    """[3], the fingertips."""
    cubes: NDArray[np.float64]
    """[cubes, 2], centres."""
    yaw: NDArray[np.float64]
    """[cubes]."""
    plate: NDArray[np.float64]
    """[2]; zero if there is no plate."""


def generator(start: Start) -> np.random.Generator:
    """Return the random numbers that belong to `start`.

    All of `start` is spelt out as the seed's entropy, so starts that differ in any part, the
    split among them, never share a stream.
    """
    text = f"tabletop 1 {start.split} {start.seed} {start.index} {start.task}"
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(list(text.encode()))))


def draw(start: Start, *, cubes: int, has_plate: bool) -> Layout:
    """Draw the layout of `start`; raise ValueError if its task is unknown."""
    if start.task not in MAX_STEPS:
        known = ", ".join(MAX_STEPS)
        raise ValueError(f"tabletop has no task {start.task!r}; its tasks are {known}")
    rng = generator(start)
    goal = _goal(rng, start.task, cubes)
    while True:
        spots = rng.uniform(-SPREAD, SPREAD, (cubes + 1, 2))
        if not has_plate:
            spots[-1] = 0.0
        if _is_fair(goal, spots[:-1], spots[-1] if has_plate else None):
            break
    tip = np.append(rng.uniform(-HAND_START, HAND_START, 2), HAND_START_Z)
    return Layout(goal, tip, spots[:-1], rng.uniform(-0.2, 0.2, cubes), spots[-1])


def _goal(rng: np.random.Generator, task: TaskName, cubes: int) -> Goal:
    cube = int(rng.integers(cubes))
    if task != "push":
        return Goal(task, cube)
    return Goal(task, cube, list(DIRECTIONS)[int(rng.integers(len(DIRECTIONS)))])


def _is_fair(goal: Goal, cubes: NDArray[np.float64], plate: NDArray[np.float64] | None) -> bool:
    gaps = np.linalg.norm(cubes[:, None] - cubes[None], axis=-1)[np.triu_indices(len(cubes), 1)]
    if (gaps < APART).any():
        return False
    if plate is not None and (np.linalg.norm(cubes - plate, axis=1) < PLATE_RADIUS + 0.04).any():
        return False
    return goal.task != "push" or _has_way(goal, cubes, plate)


def _has_way(goal: Goal, cubes: NDArray[np.float64], plate: NDArray[np.float64] | None) -> bool:
    """Return whether the cube can be pushed inside the hand's reach, past everything else."""
    cube, heading = cubes[goal.cube], goal.heading
    ends = np.stack([cube - _APPROACH * heading, cube + (PUSH + 0.02) * heading])
    if (np.abs(ends) > REACH_XY).any():
        return False
    others = np.delete(cubes, goal.cube, axis=0)
    if plate is not None:
        others = np.vstack([others, plate])
    offset = others - cube
    ahead = np.clip(offset @ heading, -_APPROACH, PUSH + 0.02)
    nearest = np.linalg.norm(offset - ahead[:, None] * heading, axis=1)
    return not (nearest < 0.07).any()
