"""The simulator `metaworld`: a Sawyer arm before fifty tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from rlvla.core.pins import Pins, pinned_beside
from rlvla.core.types import SimulatorSpec
from rlvla.plugins.ranges import require
from rlvla.plugins.simulators import opengl
from rlvla.plugins.simulators.live import Live
from rlvla.plugins.simulators.metaworld import package
from rlvla.plugins.simulators.metaworld.protocols import protocols
from rlvla.plugins.simulators.metaworld.scene import HAND, STATE, Scene
from rlvla.plugins.simulators.metaworld.tasks import HELD_OUT, INSTRUCTIONS, LIMIT, SUITES
from rlvla.plugins.simulators.names import require_each_once, require_tasks
from rlvla.plugins.simulators.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rlvla.core.protocol import EvaluationProtocol

Camera: TypeAlias = Literal[
    "topview", "corner", "corner2", "corner3", "corner4", "behindGripper", "gripperPOV"
]


def _cameras() -> list[Camera]:
    return ["corner4"]


@dataclass
class Metaworld(Live[Stage[Scene]]):
    """Meta-World's tasks.

    Satisfies `ExpertSimulator`, `PublishedSimulator` and `PreparedSimulator`.

    An action is [dx, dy, dz, grip], each in [-1, 1]: a motion of the hand by up to 1 cm along each
    axis, and how hard the fingers close (1) or open (-1). Goals and objects are placed at random;
    evaluation starts never change. Needs the package `metaworld`, which holds all its assets, and
    a MuJoCo from 3.3 to 3.8: `rlvla sim install metaworld` installs both apart from all else.
    """

    pins: ClassVar[Pins] = Pins(
        requirements=pinned_beside(__file__),
        megabytes=390,
        pythons="3.11 or newer",
    )

    lanes: int = 8
    """Lanes of the run."""
    task: str | list[str] = "reach-v3"
    """A task by the package's name, a list of such, or a suite: mt10, mt50, ml10, ml45."""
    observation: Literal["image", "state"] = "image"
    """`image`: camera images, and the hand's position and opening as proprioception. `state`: no
    images, and the package's own 39 numbers as proprioception."""
    cameras: list[Camera] = field(default_factory=_cameras)
    """Cameras whose images are shown, each at most once; unused with `observation: state`. What
    published policies saw from "corner2 at (0.75, 0.075, 0.7)" is the package's corner4."""
    size: int = 64
    """Width and height of the images in pixels."""
    goal: Literal["shown", "hidden"] = "shown"
    """`hidden` puts zeros for the goal into the proprioception of `observation: state`, as the
    suites ml10 and ml45 demand; a privileged critic sees it all the same."""
    reward: Literal["sparse", "dense"] = "sparse"
    """`sparse` pays 1 for the first success; `dense` pays the package's own reward, 0 to 10 for
    each action."""
    on_success: Literal["end", "continue"] = "end"
    """`continue` plays on to the time limit, as the package does; an episode is a success if it
    was one at any time."""
    max_steps: int | None = None
    """Actions after which an episode is cut; by default 500, which is the most."""
    instructions: dict[str, str] = field(default_factory=dict[str, str])
    """What is said of a task instead of our own words, by its name, for a policy that was taught
    others."""
    render: Literal["auto", "egl", "osmesa"] = "auto"
    """What OpenGL draws the images; `auto` takes the first that works here."""
    shadows: bool = False
    """Draw shadows and smooth edges, as the package does: 8 times slower on a CPU."""
    spare: int = 8
    """How many scenes that no lane plays in a worker keeps for later; each takes 65 to 90 MB."""

    def __post_init__(self) -> None:
        require(self, "lanes", low=1)
        require(self, "size", low=8, high=1024)
        require(self, "spare", low=0)
        if not 1 <= self.limit <= LIMIT:
            raise ValueError(f"max_steps must be from 1 to {LIMIT}, got {self.limit}")
        self._check_names()

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the tasks that episodes are drawn from."""
        if isinstance(self.task, str):
            return SUITES.get(self.task, (self.task,))
        return self.task

    @property
    def suite(self) -> str | None:
        """The suite, if `task` names one."""
        return self.task if isinstance(self.task, str) and self.task in SUITES else None

    @property
    def protocols(self) -> Sequence[EvaluationProtocol]:
        """Those of the suite, or of the only task; none with a time limit of one's own."""
        if self.limit != LIMIT:
            return []
        return protocols(self.tasks, self.suite)

    @property
    def limit(self) -> int:
        """Actions after which an episode is cut."""
        return LIMIT if self.max_steps is None else self.max_steps

    @property
    def shown_cameras(self) -> Sequence[Camera]:
        """Cameras of an observation."""
        return self.cameras if self.observation == "image" else []

    @property
    def spec(self) -> SimulatorSpec:
        """What is shown and taken; the privileged state is all 39 numbers, then which task it is
        of several."""
        return SimulatorSpec(
            cameras=dict.fromkeys(self.shown_cameras, (self.size, self.size)),
            proprio=HAND if self.observation == "image" else STATE,
            privileged=STATE + (len(self.tasks) if len(self.tasks) > 1 else 0),
            action_low=(-1.0,) * 4,
            action_high=(1.0,) * 4,
            max_steps=self.limit,
            control_hz=80.0,
        )

    def instruction(self, task: str) -> str:
        """Return what is said of a task."""
        return self.instructions.get(task, INSTRUCTIONS[task])

    def prepare(self) -> None:
        """Find an OpenGL that draws, if images are shown."""
        if self.shown_cameras:
            opengl.choose(self.render)

    def start(self, lanes: int) -> None:
        """Import the package."""
        del lanes  # each gets a scene when it begins
        package.prepare(self)
        rules = Rules(
            self.spec, ends=self.on_success == "end", dense=self.reward == "dense", spare=self.spare
        )
        self._live = Stage(partial(Scene, self), rules)

    def expert(self, lane: int) -> NDArray[np.float32]:
        """Return the next action of the package's scripted policy, float32 [4]."""
        return self.live.scene(lane).expert()

    def _check_names(self) -> None:
        require_each_once("task", self.tasks)
        require_each_once("cameras", self.cameras)
        others = f"{', '.join(SUITES)}, reach-v3, push-v3 ..."
        for option, names in {"task": self.tasks, "instructions": self.instructions}.items():
            require_tasks(option, names, INSTRUCTIONS, of="Meta-World", others=others)
        if self.suite in HELD_OUT and self.goal == "shown" and self.observation == "state":
            raise ValueError(f"goal must be hidden from the state in the suite {self.suite}")
