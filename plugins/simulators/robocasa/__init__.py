"""The simulator `robocasa`: a mobile arm at everyday tasks in kitchens.

What it shares with `robosuite` is tested there. The rest is written after the source of RoboCasa
1.0 and has not been run, as neither package nor models were at hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from rlvla.core.types import SimulatorSpec
from rlvla.plugins.ranges import require
from rlvla.plugins.simulators import opengl
from rlvla.plugins.simulators.live import Live
from rlvla.plugins.simulators.names import require_each_once
from rlvla.plugins.simulators.robocasa import package
from rlvla.plugins.simulators.robocasa.kitchen import Kitchen
from rlvla.plugins.simulators.robosuite.painter import Painter
from rlvla.plugins.simulators.robosuite.scene import Scene, World
from rlvla.plugins.simulators.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

Camera: TypeAlias = Literal[
    "robot0_agentview_left",
    "robot0_agentview_right",
    "robot0_agentview_center",
    "robot0_frontview",
    "robot0_eye_in_hand",
]
Kitchens: TypeAlias = Literal["pretrain", "target"]


def _cameras() -> list[Camera]:
    return ["robot0_agentview_left", "robot0_agentview_right", "robot0_eye_in_hand"]


@dataclass
class Robocasa(Live[Stage[Scene]]):
    """RoboCasa's tasks with the robot PandaOmron, told in the package's words; no expert.

    An action is a motion of the hand along and about three axes, the gripper (-1 opens, 1 closes),
    the velocity of the base in two directions and of its turn, the height of its column, and what
    moves: -1 the arm, 1 the base; each in [-1, 1]. The proprioception is the hand's position from
    the base in metres, its quaternion (x, y, z, w), the joints of both fingers, and position and
    quaternion of the base. An episode draws a kitchen and its objects, and compiles them.

    Needs RoboCasa 1.0, a robosuite of the same time, and models of about 10 GB, none of which is on
    the package index: what is missing is told with whence it comes.
    """

    task: str | list[str]
    """A task by the package's name, such as CloseFridge, or a list of such."""
    lanes: int = 8
    """Lanes of the run."""
    trained: Kitchens = "pretrain"
    """Kitchens and objects of training episodes: 2500 kitchens, or 10 that have no object in
    common with them."""
    measured: Kitchens = "target"
    """Kitchens and objects of evaluation episodes; starts differ even if both are the same."""
    cameras: list[Camera] = field(default_factory=_cameras)
    """Cameras whose images are shown, each at most once."""
    size: int = 128
    """Width and height of the images in pixels."""
    on_success: Literal["end", "continue"] = "end"
    """`continue` plays on to the time limit; an episode is a success if it was one at any time."""
    max_steps: int = 500
    """Actions after which an episode is cut. The package's limits differ from task to task and
    from version to version, see its `dataset_registry`."""
    render: Literal["auto", "egl", "osmesa"] = "auto"
    """What OpenGL draws the images; `auto` takes the first that works here."""
    shadows: bool = False
    """Draw shadows and smooth edges, as the package does: several times slower on a CPU."""
    spare: int = 0
    """How many scenes that no lane plays a worker keeps for later; they save next to nothing."""

    def __post_init__(self) -> None:
        require(self, "lanes max_steps", low=1)
        require(self, "size", low=8, high=1024)
        require(self, "spare", low=0)
        require_each_once("task", self.tasks)
        require_each_once("cameras", self.cameras)

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the tasks that episodes are drawn from."""
        return [self.task] if isinstance(self.task, str) else self.task

    @property
    def spec(self) -> SimulatorSpec:
        """What is shown and taken."""
        return SimulatorSpec(
            cameras=dict.fromkeys(self.cameras, (self.size, self.size)),
            proprio=16,
            action_low=(-1.0,) * 12,
            action_high=(1.0,) * 12,
            max_steps=self.max_steps,
            control_hz=20.0,
        )

    def prepare(self) -> None:
        """Find an OpenGL that draws."""
        opengl.choose(self.render)

    def start(self, lanes: int) -> None:
        """Import the packages; raise RuntimeError that says what is missing."""
        del lanes  # each gets a scene when it begins
        package.check()
        opengl.claim(opengl.choose(self.render))
        rules = Rules(self.spec, ends=self.on_success == "end", dense=False, spare=self.spare)
        self._live = Stage(partial(self._scene, Kitchen(self)), rules)

    def _scene(self, world: World, task: str) -> Scene:
        painter = Painter(self.cameras, self.size, self.shadows)
        return Scene(world, painter, "always", task)
