"""The simulator `tabletop`: a hand over a table with coloured cubes, told in words what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from rlvla.core.types import SimulatorSpec
from rlvla.plugins.ranges import require
from rlvla.plugins.simulators.live import Live
from rlvla.plugins.simulators.tabletop.observation import HAND, goal_length, table_length
from rlvla.plugins.simulators.tabletop.tasks import MAX_STEPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rlvla.plugins.simulators.tabletop.lanes import Lanes

TaskName: TypeAlias = Literal["reach", "push", "pick_place"]
EmbodimentName: TypeAlias = Literal["gantry", "arm"]
Color: TypeAlias = Literal["red", "green", "blue", "yellow", "purple", "cyan"]
Camera: TypeAlias = Literal["top", "front", "wrist"]
RenderName: TypeAlias = Literal["auto", "egl", "osmesa", "ray"]


def _colors() -> list[Color]:
    return ["red", "green", "blue"]


def _cameras() -> list[Camera]:
    return ["top"]


Played: TypeAlias = "Lanes"


@dataclass
class Tabletop(Live[Played]):
    """A MuJoCo table with a hand, coloured cubes and a plate.

    Satisfies `ExpertSimulator` and `PreparedSimulator`.

    An action is [dx, dy, dz, grip], each in [-1, 1]: a motion of the fingertips by up to 3.5 cm
    along each axis, and how far the fingers close (-1 open, 1 closed). Words like "left" are
    meant as seen in the images of the cameras `top` and `front`. A success pays a reward of 1
    and ends the episode. Numbers in observations are metres over 0.2 about a point 10 cm over
    the table's centre.
    """

    lanes: int = 8
    """Lanes of the run."""
    task: TaskName | list[TaskName] = "reach"
    """Task, or the tasks that episodes are drawn from."""
    embodiment: EmbodimentName = "gantry"
    """What carries the hand: three slides, or seven joints moved by inverse kinematics."""
    colors: list[Color] = field(default_factory=_colors)
    """Colours of the cubes on the table, each at most once."""
    observation: Literal["image", "state"] = "image"
    """`image`: camera images, and the hand's position and opening as proprioception. `state`: no
    images, the proprioception goes on with the cubes' positions in the order of `colors`, and the
    plate's if a task needs one."""
    cameras: list[Camera] = field(default_factory=_cameras)
    """Cameras whose images are shown, each at most once; unused with `observation: state`."""
    size: int = 64
    """Width and height of the images in pixels."""
    reward: Literal["sparse", "shaped"] = "sparse"
    """`shaped` adds to the reward for success the gain in a potential of distances, see
    `tasks.potential`."""
    max_steps: int | None = None
    """Actions after which an episode is cut; by default 12 for reach, 24 for push and 36 for
    pick_place."""
    render: RenderName = "ray"
    """What draws the images. `ray` needs no system library and gives equal images everywhere;
    `auto` takes the first of EGL, OSMesa and ray that works."""
    shadows: bool = False
    """Draw shadows and smooth edges (EGL and OSMesa only): 5 to 15 times slower on a CPU."""

    def __post_init__(self) -> None:
        require(self, "lanes max_steps", low=1)
        require(self, "size", low=8, high=1024)
        if self.shadows and self.render == "ray":
            raise ValueError("shadows need render: egl, osmesa or auto; ray draws none")
        self._check_lists()

    @property
    def tasks(self) -> Sequence[TaskName]:
        """Names of the tasks that episodes are drawn from."""
        return [self.task] if isinstance(self.task, str) else self.task

    @property
    def has_plate(self) -> bool:
        """Whether a plate lies on the table."""
        return "pick_place" in self.tasks

    @property
    def shown_cameras(self) -> Sequence[Camera]:
        """Cameras of an observation."""
        return self.cameras if self.observation == "image" else []

    @property
    def spec(self) -> SimulatorSpec:
        """What is shown and taken."""
        cubes = len(self.colors)
        table = table_length(cubes, has_plate=self.has_plate)
        return SimulatorSpec(
            cameras=dict.fromkeys(self.shown_cameras, (self.size, self.size)),
            proprio=HAND if self.observation == "image" else table,
            privileged=table + goal_length(cubes, len(self.tasks)),
            action_low=(-1.0,) * 4,
            action_high=(1.0,) * 4,
            max_steps=max(self.limit(task) for task in self.tasks),
            control_hz=10.0,
        )

    def limit(self, task: TaskName) -> int:
        """Return after how many actions an episode of `task` is cut."""
        return MAX_STEPS[task] if self.max_steps is None else self.max_steps

    def prepare(self) -> None:
        """Find a renderer that draws, if images are shown."""
        from rlvla.plugins.simulators.tabletop import render

        if self.shown_cameras:
            render.choose(self.render)

    def start(self, lanes: int) -> None:
        """Compile the scene; imports MuJoCo."""
        from rlvla.plugins.simulators.tabletop.lanes import Lanes

        self._live = Lanes(self, lanes)

    def expert(self, lane: int) -> NDArray[np.float32]:
        """Return the scripted expert's next action, float32 [4]."""
        return self.live.expert(lane)

    def _check_lists(self) -> None:
        lists = {"task": self.tasks, "colors": self.colors, "cameras": self.cameras}
        for name, values in lists.items():
            if not values:
                raise ValueError(f"{name} must not be empty")
            if len(set(values)) < len(values):
                raise ValueError(f"{name} must not repeat a name, got {', '.join(values)}")
