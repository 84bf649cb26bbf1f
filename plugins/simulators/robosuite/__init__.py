"""The simulator `robosuite`: robots at a table, one arm or two."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from rlvla.core.pins import Pins, pinned_beside
from rlvla.core.types import SimulatorSpec
from rlvla.plugins.ranges import require
from rlvla.plugins.simulators import opengl
from rlvla.plugins.simulators.live import Live
from rlvla.plugins.simulators.names import require_each_once, require_tasks
from rlvla.plugins.simulators.robosuite import package
from rlvla.plugins.simulators.robosuite.painter import Painter
from rlvla.plugins.simulators.robosuite.protocols import protocol
from rlvla.plugins.simulators.robosuite.scene import Compiling, Scene, World
from rlvla.plugins.simulators.robosuite.tabletop import Tabletop
from rlvla.plugins.simulators.robosuite.tasks import FINGERS, HAND, TASKS, Robot
from rlvla.plugins.simulators.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.protocol import EvaluationProtocol

Camera: TypeAlias = Literal[
    "agentview",
    "frontview",
    "birdview",
    "sideview",
    "shouldercamera0",
    "shouldercamera1",
    "robot0_eye_in_hand",
    "robot0_robotview",
    "robot1_eye_in_hand",
    "robot1_robotview",
]

PHYSICS_HZ = 500


def _cameras() -> list[Camera]:
    return ["agentview", "robot0_eye_in_hand"]


@dataclass
class Robosuite(Live[Stage[Scene]]):
    """Robosuite's tasks; satisfies `PublishedSimulator`, and has no expert.

    An action is, for each arm, a motion of the hand along and about three axes of the robot's base,
    each in [-1, 1] for 5 cm and 0.5 rad, and the gripper: -1 opens, 1 closes; with a tool in its
    place there is none. The proprioception is, for each arm, the hand's position in metres, its
    rotation vector in radians, and the joints of the gripper. Objects and joints are placed at
    random. Needs robosuite 1.5, which holds all its assets, and a MuJoCo from 3.3 to 3.8:
    `rlvla sim install robosuite` installs both apart from all else.
    """

    pins: ClassVar[Pins] = Pins(
        requirements=pinned_beside(__file__),
        megabytes=1300,
        pythons="3.11 or 3.12, beside a C compiler: evdev comes as source",
    )

    lanes: int = 8
    """Lanes of the run."""
    task: str | list[str] = "Lift"
    """A task by the package's name, or a list of such, whose arms and grippers must be alike."""
    robot: Robot = "Panda"
    """Of each arm."""
    observation: Literal["image", "state"] = "image"
    """`image`: camera images. `state`: none, but what the package tells of the objects at the end
    of the proprioception."""
    cameras: list[Camera] = field(default_factory=_cameras)
    """Cameras whose images are shown, each at most once; not every task has all."""
    size: int = 64
    """Width and height of the images in pixels."""
    reward: Literal["sparse", "dense"] = "sparse"
    """`sparse` pays 1 for the first success; `dense` pays the package's own shaped reward for each
    action, which ToolHang and TwoArmTransport do not have: theirs is 1 while it is a success."""
    on_success: Literal["end", "continue"] = "end"
    """`continue` plays on to the time limit, as the package does; an episode is a success if it
    was one at any time."""
    hard_reset: Compiling = "evaluation"
    """When the model is compiled anew for an episode, half a second or more: that draws the sizes
    of some objects, which else stay the same; `evaluation`: only where rates are published."""
    max_steps: int | None = None
    """Actions after which an episode is cut; by default as for the longest task, see `tasks`."""
    control_hz: float = 20.0
    """Actions per second of simulated time."""
    instructions: dict[str, str] = field(default_factory=dict[str, str])
    """What is said of a task instead of our own words, by its name; robosuite has none."""
    render: Literal["auto", "egl", "osmesa"] = "auto"
    """What OpenGL draws the images; `auto` takes the first that works here."""
    shadows: bool = False
    """Draw shadows and smooth edges, as the package does: several times slower on a CPU."""
    spare: int = 2
    """How many scenes that no lane plays in a worker keeps for later; each takes 100 MB, or 300 to
    500 MB where images are drawn."""

    def __post_init__(self) -> None:
        require(self, "lanes max_steps", low=1)
        require(self, "size", low=8, high=1024)
        require(self, "spare", low=0)
        if not 1 <= self.control_hz <= PHYSICS_HZ:
            raise ValueError(f"control_hz must be from 1 to {PHYSICS_HZ}, got {self.control_hz:g}")
        self._check_names()

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the tasks that episodes are drawn from."""
        return [self.task] if isinstance(self.task, str) else self.task

    @property
    def arms(self) -> int:
        """Robots."""
        return TASKS[self.tasks[0]].arms

    @property
    def objects(self) -> int:
        """Numbers that are told of objects: as many as the task with most has."""
        return max(TASKS[task].objects for task in self.tasks)

    @property
    def protocols(self) -> Sequence[EvaluationProtocol]:
        """That of the task, if there is only one and it is played as is published."""
        known = protocol(self.tasks[0])
        if known is None or len(self.tasks) > 1 or self.hard_reset == "never":
            return []
        is_alike = (self.robot, self.control_hz, self.limit) == ("Panda", 20.0, known.max_steps)
        return [known] if is_alike else []

    @property
    def limit(self) -> int:
        """Actions after which an episode is cut."""
        if self.max_steps is not None:
            return self.max_steps
        return max(TASKS[task].limit for task in self.tasks)

    @property
    def shown_cameras(self) -> Sequence[Camera]:
        """Cameras of an observation."""
        return self.cameras if self.observation == "image" else []

    @property
    def spec(self) -> SimulatorSpec:
        """What is shown and taken; the privileged state is hands and objects, then which task it is
        of several."""
        grips = TASKS[self.tasks[0]].grips
        hands = self.arms * (HAND + FINGERS[self.robot] * grips)
        actions = self.arms * (HAND + grips)
        return SimulatorSpec(
            cameras=dict.fromkeys(self.shown_cameras, (self.size, self.size)),
            proprio=hands + (self.objects if self.observation == "state" else 0),
            privileged=hands + self.objects + (len(self.tasks) if len(self.tasks) > 1 else 0),
            action_low=(-1.0,) * actions,
            action_high=(1.0,) * actions,
            max_steps=self.limit,
            control_hz=self.control_hz,
        )

    def prepare(self) -> None:
        """Find an OpenGL that draws, if images are shown."""
        if self.shown_cameras:
            opengl.choose(self.render)

    def start(self, lanes: int) -> None:
        """Import the package."""
        del lanes  # each gets a scene when it begins
        package.check()
        if self.shown_cameras:
            opengl.claim(opengl.choose(self.render))
        rules = Rules(
            self.spec, ends=self.on_success == "end", dense=self.reward == "dense", spare=self.spare
        )
        self._live = Stage(partial(self._scene, Tabletop(self)), rules)

    def _scene(self, world: World, task: str) -> Scene:
        painter = Painter(self.shown_cameras, self.size, self.shadows)
        return Scene(world, painter, self.hard_reset, task)

    def _check_names(self) -> None:
        require_each_once("task", self.tasks)
        require_each_once("cameras", self.cameras)
        require_tasks("task", self.tasks, TASKS, of="robosuite")
        require_tasks("instructions", self.instructions, TASKS, of="robosuite")
        if len({(TASKS[task].arms, TASKS[task].grips) for task in self.tasks}) > 1:
            raise ValueError(
                f"task: arms and grippers of all must be alike, got {', '.join(self.tasks)}"
            )
