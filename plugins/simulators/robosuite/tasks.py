"""The tasks: what is said of them, and what they show and take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Robot: TypeAlias = Literal["Panda", "Sawyer", "IIWA", "Kinova3", "UR5e"]

FINGERS: dict[Robot, int] = {"Panda": 2, "Sawyer": 2, "IIWA": 6, "Kinova3": 6, "UR5e": 6}
"""Joints of the gripper that each robot has by default."""
HAND = 6
"""Numbers of a hand's position and rotation, and of an arm's action but for the gripper."""


@dataclass(frozen=True)
class Task:
    """What is known of a task without the package."""

    words: str
    """What a policy is told."""
    objects: int
    """Numbers that the package tells of the objects."""
    arms: int = 1
    """Robots that do it."""
    grips: bool = True
    """They have their grippers, not a tool instead."""
    limit: int = 500
    """Actions after which an episode is cut, unless it is said otherwise: for those that robomimic
    measures, as many as there (arXiv 2108.03298, demonstrations of proficient people), else as in
    robosuite's own benchmark (arXiv 2009.12293)."""


TASKS = {
    "Door": Task("open the door", 14),
    "Lift": Task("lift the cube", 10, limit=400),
    "NutAssembly": Task("put each nut over the peg of its shape", 28),
    "NutAssemblyRound": Task("put the round nut over the round peg", 14),
    "NutAssemblySingle": Task("put the nut over the peg of its shape", 15),
    "NutAssemblySquare": Task("put the square nut over the square peg", 14, limit=400),
    "PickPlace": Task("put each thing into its bin", 56),
    "PickPlaceBread": Task("put the bread into its bin", 14),
    "PickPlaceCan": Task("put the can into its bin", 14, limit=400),
    "PickPlaceCereal": Task("put the cereal into its bin", 14),
    "PickPlaceMilk": Task("put the milk into its bin", 14),
    "PickPlaceSingle": Task("put the thing into its bin", 15),
    "Stack": Task("put the red cube on the green cube", 23),
    "ToolHang": Task("put the hook into the stand and hang the tool on it", 44, limit=700),
    "TwoArmHandover": Task("pass the hammer from one hand to the other", 16, arms=2),
    "TwoArmLift": Task("lift the pot by both handles and keep it level", 19, arms=2),
    "TwoArmPegInHole": Task("put the peg into the hole", 17, arms=2, grips=False),
    "TwoArmTransport": Task(
        "put the hammer into the other bin and the cube into the trash", 41, arms=2, limit=700
    ),
    "Wipe": Task("wipe the table clean", 8, grips=False),
}
"""By the package's names; `Single` is the task with one of its things, drawn for an episode. Where
the arm touches the table, `Wipe` goes on, of which the package would make an end."""

MEASURED = ("Lift", "PickPlaceCan", "NutAssemblySquare", "TwoArmTransport", "ToolHang")
"""Tasks for which robomimic publishes rates."""
