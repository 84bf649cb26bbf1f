"""Observations as vectors: what a policy may feel and what a critic may know.

Positions are metres over 0.2, about a point 10 cm over the table's middle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rlvla.plugins.simulators.tabletop.tasks import DIRECTIONS, destination

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rlvla.plugins.simulators.tabletop.tasks import Goal, State

SCALE = 0.2
"""Metres that become 1."""
CENTRE = (0.0, 0.0, 0.1)
"""Position, in metres, that becomes 0."""

HAND = 4
"""Length of `hand`."""


def hand(state: State) -> NDArray[np.float32]:
    """Return the fingertips' position and, in [-1, 1], their opening; float32 [4]."""
    return np.append(_position(state.tip), 2 * state.opening - 1).astype(np.float32)


def table(state: State, *, has_plate: bool) -> NDArray[np.float32]:
    """Return `hand`, the position of each cube and, if there is one, of the plate; float32."""
    things = np.vstack([state.cubes, state.plate]) if has_plate else state.cubes
    return np.concatenate([hand(state), _position(things).ravel()]).astype(np.float32)


def table_length(cubes: int, *, has_plate: bool) -> int:
    """Return the length of `table`."""
    return HAND + 3 * cubes + 3 * has_plate


def goal_hints(goal: Goal, state: State, tasks: Sequence[str]) -> NDArray[np.float32]:
    """Return what the instruction means in this state, float32.

    One-hot task among `tasks`, one-hot cube, the push's direction [2], the vectors from the
    fingertips to the cube [3] and from the cube to its destination [3].
    """
    cube = state.cube(goal)
    ways = np.concatenate([cube - state.tip, destination(goal, state) - cube]) / SCALE
    task = [goal.task == name for name in tasks]
    named = np.arange(len(state.cubes)) == goal.cube
    return np.concatenate([task, named, goal.heading, ways]).astype(np.float32)


def goal_length(cubes: int, tasks: int) -> int:
    """Return the length of `goal_hints`."""
    return tasks + cubes + len(next(iter(DIRECTIONS.values()))) + 6


def _position(metres: NDArray[np.float64]) -> NDArray[np.float64]:
    return (metres - CENTRE) / SCALE
