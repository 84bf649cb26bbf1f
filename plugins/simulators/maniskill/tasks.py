"""The tasks: their robots and limits, what is said of them, and how their episodes are numbered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Bounds: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""Smallest and largest value of each number of an action."""


@dataclass(frozen=True)
class Robot:
    """An arm as the package controls it."""

    cameras: tuple[str, ...]
    """Cameras that may be shown, that of a task without any choice first."""
    joints: int
    """Joint positions, which are the proprioception."""
    controls: Mapping[str, Bounds]
    """What an action means, by the package's name; the usual one first."""
    hz: float
    """Actions per second."""


def _unit(dimensions: int) -> Bounds:
    return (-1.0,) * dimensions, (1.0,) * dimensions


PANDA = Robot(
    cameras=("base_camera", "hand_camera"),
    joints=9,
    controls={
        "pd_ee_delta_pose": _unit(7),
        "pd_ee_delta_pos": _unit(4),
        "pd_ee_target_delta_pose": _unit(7),
        "pd_ee_target_delta_pos": _unit(4),
        "pd_joint_delta_pos": _unit(8),
        "pd_joint_target_delta_pos": _unit(8),
    },
    hz=20.0,
)
"""The Franka Panda of the package's own tasks; all modes of control that are scaled to [-1, 1]."""

TARGET = 7
"""Numbers of where the hand, or the arm's joints, are to be; a control of that kind shows them."""

_TURN = 1.5707963267948966
WIDOWX = Robot(
    cameras=("3rd_view_camera",),
    joints=8,
    controls={
        "arm_pd_ee_target_delta_pose_align2_gripper_pd_joint_pos": (
            (-1.0, -1.0, -1.0, -_TURN, -_TURN, -_TURN, -1.0),
            (1.0, 1.0, 1.0, _TURN, _TURN, _TURN, 1.0),
        )
    },
    hz=5.0,
)
"""The WidowX 250 S of the tasks after BridgeData V2: metres, radians, and 1 opens the fingers."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What must be known of a task before the package is imported."""

    robot: Robot = PANDA
    limit: int = 50
    """Actions after which the package cuts an episode."""
    state: int = 0
    """Numbers of the package's state, without any target; 0 if it shows none."""
    instruction: str | None = None
    """What is said of it; None if the package says it itself, of each episode."""
    needs: tuple[str, ...] = ()
    """Assets beside those in the package's wheel, by their names in `package`."""
    trials: Literal["seeds", "published", "numbered"] = "seeds"
    """How episodes are drawn: by a seed; as one of 24 published ones, all of which are measured;
    or by a number, of which training and evaluation have their own."""
    pays: bool = True
    """It has a dense reward."""
    alike: bool = True
    """Its scenes are built alike; else each is built with shapes of its own, which stay the same
    on a GPU, so that an episode would depend on its lane."""
    kwargs: Mapping[str, object] = field(default_factory=dict[str, object])
    """What its environment is made with."""


BASIC = {
    "PickCube-v1": Task(state=42, instruction="pick up the cube and hold it at the green ball"),
    "PushCube-v1": Task(state=35, instruction="push the cube into the ring"),
    "PullCube-v1": Task(state=35, instruction="pull the cube into the ring"),
    "PokeCube-v1": Task(state=54, instruction="take the peg and poke the cube with it"),
    "LiftPegUpright-v1": Task(state=32, instruction="stand the peg upright"),
    "PlaceSphere-v1": Task(state=39, instruction="put the ball into the bin"),
    "StackCube-v1": Task(state=48, instruction="put the red cube on the green cube"),
    "StackPyramid-v1": Task(
        limit=250,
        state=64,
        instruction="put the red cube beside the green cube and the blue cube on both",
        pays=False,
    ),
    "PegInsertionSide-v1": Task(
        limit=100,
        state=43,
        instruction="push the peg into the hole in the side of the box",
        alike=False,
    ),
    "PlugCharger-v1": Task(
        limit=200, state=46, instruction="plug the charger into the socket", pays=False
    ),
    "PullCubeTool-v1": Task(
        limit=100, state=39, instruction="take the hook and pull the cube closer with it"
    ),
    "RollBall-v1": Task(limit=80, state=44, instruction="roll the ball to the goal"),
}
"""Tasks of a Panda whose models are in the wheel; no two are told the same."""


def _bridge(limit: int) -> Task:
    return Task(
        robot=WIDOWX, limit=limit, needs=("bridge_v2_real2sim", "widowx"), trials="published"
    )


BRIDGE = {
    "PutCarrotOnPlateInScene-v1": _bridge(60),
    "PutSpoonOnTableClothInScene-v1": _bridge(60),
    "StackGreenCubeOnYellowCubeBakedTexInScene-v1": _bridge(60),
    "PutEggplantInBasketScene-v1": _bridge(120),
}
"""SIMPLER's copies of four real scenes (arXiv 2405.05941), which are only measured."""


def _plate(objects: Literal["train", "test"]) -> Task:
    return Task(
        robot=WIDOWX,
        limit=80,
        needs=("bridge_v2_real2sim", "widowx"),
        trials="numbered",
        kwargs={"obj_set": objects},
    )


MAIN = "PutOnPlateInScene25Main-v3"
PLATE = {
    MAIN: _plate("train"),
    "PutOnPlateInScene25Main-v3:test": _plate("test"),
    "PutOnPlateInScene25VisionImage-v1": _plate("test"),
    "PutOnPlateInScene25VisionTexture03-v1": _plate("test"),
    "PutOnPlateInScene25VisionTexture05-v1": _plate("test"),
    "PutOnPlateInScene25VisionWhole03-v1": _plate("test"),
    "PutOnPlateInScene25VisionWhole05-v1": _plate("test"),
    "PutOnPlateInScene25Carrot-v1": _plate("test"),
    "PutOnPlateInScene25Carrot-v1:train": _plate("train"),
    "PutOnPlateInScene25Plate-v1": _plate("test"),
    "PutOnPlateInScene25Instruct-v1": _plate("test"),
    "PutOnPlateInScene25MultiCarrot-v1": _plate("test"),
    "PutOnPlateInScene25MultiCarrot-v1:train": _plate("train"),
    "PutOnPlateInScene25MultiPlate-v1": _plate("test"),
    "PutOnPlateInScene25MultiPlate-v1:train": _plate("train"),
    "PutOnPlateInScene25Position-v1": _plate("test"),
    "PutOnPlateInScene25EEPose-v1": _plate("test"),
    "PutOnPlateInScene25PositionChangeTo-v1": _plate("test"),
}
"""What is trained, and in which ways it is made strange: RL4VLA, arXiv 2505.19789. What follows a
colon names the set of objects, where it is another than that of most."""

TASKS = BASIC | BRIDGE | PLATE


def environment(task: str) -> str:
    """Return the id of a task's environment."""
    return task.partition(":")[0]
