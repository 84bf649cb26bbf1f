"""Lengths of the scene in metres, shared by scene, tasks and experts.

The table's top is z = 0. x points to the right and y forward (away from the operator), as seen
in the images of the cameras `top` and `front`.
"""

from __future__ import annotations

CUBE = 0.022
"""Half the edge of a cube."""

PLATE_RADIUS = 0.052
PLATE_HEIGHT = 0.006

STEP = 0.035
"""How far the hand moves along an axis under an action of 1."""

REACH_XY = 0.17
"""The hand's fingertips stay within this distance of the centre along x and y."""
HIGHEST = 0.2
"""The fingertips stay below this height; how low they may go is up to the task."""

HAND_START = 0.14
"""Largest |x| and |y| of the fingertips in the beginning."""
HAND_START_Z = 0.17

SPREAD = 0.14
"""Largest |x| and |y| of an object in the beginning."""
APART = 0.085
"""Least distance between the centres of two cubes in the beginning."""

OPENING = 0.04
"""How far each finger travels from the hand's middle."""
FINGER = (0.005, 0.008, 0.025)
"""Half the size of a finger."""
PALM = 0.075
"""Height of the hand's origin over the fingertips."""
