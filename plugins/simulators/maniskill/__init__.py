"""The simulator `maniskill`: an arm at a table, on the CPU or many at once on a GPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path  # noqa: TC003 - read at run time as the type of an option
from typing import TYPE_CHECKING, ClassVar, Literal

from rlvla.core.pins import Pins, pinned_beside
from rlvla.core.types import SimulatorSpec
from rlvla.plugins.ranges import require
from rlvla.plugins.simulators.live import Live
from rlvla.plugins.simulators.maniskill import package
from rlvla.plugins.simulators.maniskill.fleet import Fleet
from rlvla.plugins.simulators.maniskill.protocols import protocols
from rlvla.plugins.simulators.maniskill.scene import Scene
from rlvla.plugins.simulators.maniskill.tasks import TARGET, TASKS, Robot
from rlvla.plugins.simulators.maniskill.world import World
from rlvla.plugins.simulators.names import require_each_once, require_tasks
from rlvla.plugins.simulators.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rlvla.core.protocol import EvaluationProtocol
    from rlvla.core.types import Observation, Start, StepResult


@dataclass
class ManiSkill(Live[Stage[Scene] | Fleet]):
    """ManiSkill's tasks at a table; satisfies `PublishedSimulator`, with `physics: cuda` also
    `BatchSimulator`.

    What an action means is said by `control`; its last number opens (1) or closes (-1) the
    fingers. The proprioception is the positions of all joints, fingers last, in radians and
    metres. The goal of PickCube, which the package hides from cameras, is shown. Needs the package
    `mani_skill`, which holds the models of a Panda's tasks, and Vulkan, even if nothing is shown:
    `rlvla sim install maniskill` installs the package apart.
    """

    pins: ClassVar[Pins] = Pins(
        requirements=pinned_beside(__file__),
        megabytes=2100,
        pythons="3.11",
        note="It draws with Vulkan, which on a CPU takes Mesa 24.3 or newer. Where torch draws "
        "CUDA, the environment is some 5 GB larger; `--index-url` of pip avoids it.",
    )

    lanes: int = 8
    """Lanes of the run."""
    task: str | list[str] = "PickCube-v1"
    """A task by the package's name, or a list of such for one robot. Success in training on
    PutOnPlateInScene25Main-v3 is measured in all the ways that RL4VLA makes it strange."""
    modules: list[str] = field(default_factory=list[str])
    """Modules that register further tasks when they are imported: those of PutOnPlateInScene25 are
    not in the package but, with their models, in RLinf (rlinf.envs.maniskill.tasks.variants)."""
    assets: Path | None = None
    """Folder that holds `data` with the models that are not in the package; by default that which
    the package uses, MS_ASSET_DIR or ~/.maniskill."""
    physics: Literal["cpu", "cuda"] = "cpu"
    """`cuda`: the lanes of a worker are scenes of one GPU and stepped at once. Their episodes then
    begin alike, but PhysX does not repeat them to the last bit."""
    observation: Literal["image", "state"] = "image"
    """`image`: camera images, and joint positions as proprioception. `state`: no images, and all
    that the package knows as proprioception."""
    cameras: list[str] = field(default_factory=list[str])
    """Cameras whose images are shown, each at most once; by default the one of the scene.
    A Panda also has a hand_camera."""
    size: int = 128
    """Width and height of a Panda's images in pixels; those of a WidowX are always 640 x 480, as a
    photograph lies behind them."""
    control: str | None = None
    """What an action means, by the package's name; by default pd_ee_delta_pose for a Panda: a
    motion of the hand along (10 cm) and about (0.1 rad) three axes."""
    reward: Literal["sparse", "dense"] = "sparse"
    """`sparse` pays 1 for the first success; `dense` pays the package's own reward, 0 to 1 for
    each action, or, for a WidowX, the stages that were reached since the last action."""
    on_success: Literal["end", "continue"] = "end"
    """`continue` plays on to the time limit; an episode is a success if it was one at any time."""
    max_steps: int | None = None
    """Actions after which an episode is cut; by default the longest limit of its tasks."""
    instructions: dict[str, str] = field(default_factory=dict[str, str])
    """What is said of a task instead of our own words, by its name, for a policy that was taught
    others."""
    spare: int = 4
    """How many scenes that no lane plays a worker keeps for later; each takes a few MB, on a GPU as
    many scenes as there are lanes."""

    def __post_init__(self) -> None:
        require(self, "lanes max_steps", low=1)
        require(self, "size", low=8, high=1024)
        require(self, "spare", low=0)
        self._check_tasks()
        self._check_names()

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the tasks that episodes are drawn from."""
        return [self.task] if isinstance(self.task, str) else self.task

    @property
    def protocols(self) -> Sequence[EvaluationProtocol]:
        """Those of the tasks; none with a time limit of one's own."""
        return [one for one in protocols(self.tasks) if one.max_steps == self.limit]

    @property
    def measured(self) -> list[str]:
        """Tasks that are trained or measured."""
        return [*dict.fromkeys([*self.tasks, *(one.tasks[0] for one in self.protocols)])]

    @property
    def robot(self) -> Robot:
        """The arm, which all tasks have in common."""
        return TASKS[self.tasks[0]].robot

    @property
    def limit(self) -> int:
        """Actions after which an episode is cut."""
        longest = max(TASKS[task].limit for task in self.tasks)
        return longest if self.max_steps is None else self.max_steps

    @property
    def state(self) -> int:
        """Numbers of the longest state of the tasks; 0 if they show none."""
        return max(self.state_of(task) for task in self.tasks)

    @property
    def controlled(self) -> str:
        """What an action means."""
        return self.control or next(iter(self.robot.controls))

    @property
    def shown_cameras(self) -> Sequence[str]:
        """Cameras of an observation."""
        if self.observation == "state":
            return []
        return self.cameras or self.robot.cameras[:1]

    @property
    def spec(self) -> SimulatorSpec:
        """What is shown and taken; the privileged state is the package's, padded with zeros to the
        longest of several tasks, then which of them it is."""
        low, high = self.robot.controls[self.controlled]
        area = (self.size, self.size) if self.state else (480, 640)
        several = len(self.tasks) if len(self.tasks) > 1 else 0
        return SimulatorSpec(
            cameras=dict.fromkeys(self.shown_cameras, area),
            proprio=self.robot.joints if self.observation == "image" else self.state,
            privileged=self.state + several if self.state else 0,
            action_low=low,
            action_high=high,
            max_steps=self.limit,
            control_hz=self.robot.hz,
            batched=self.physics == "cuda",
        )

    def state_of(self, task: str) -> int:
        """Return the numbers of a task's state, with the target that some controls remember."""
        own = TASKS[task].state
        return own + TARGET if own and "target" in self.controlled else own

    def instruction(self, task: str) -> str | None:
        """Return what is said of a task; None if the package says it."""
        return self.instructions.get(task, TASKS[task].instruction)

    def robot_uid(self, task: str) -> str:
        """Return which Panda a task is played by: only one of two has a camera at its hand."""
        has_camera = "hand_camera" in self.shown_cameras or task == "PegInsertionSide-v1"
        return "panda_wristcam" if has_camera else "panda"

    def start(self, lanes: int) -> None:
        """Import the package; raise RuntimeError that says what is missing."""
        package.prepare(self)
        rules = Rules(
            self.spec, ends=self.on_success == "end", dense=self.reward == "dense", spare=self.spare
        )
        if self.physics == "cuda":
            self._live = Fleet(lambda task: World(self, task, lanes), rules, lanes)
        else:
            self._live = Stage(partial(Scene, self), rules)

    def reset_batch(self, lanes: Sequence[int], starts: Sequence[Start]) -> Sequence[Observation]:
        """Begin an episode in each of these lanes of a GPU."""
        return self._fleet.reset_batch(lanes, starts)

    def step_batch(
        self, lanes: Sequence[int], actions: NDArray[np.float32]
    ) -> Sequence[StepResult]:
        """Execute a chunk in each of these lanes of a GPU, float32 [N, C, D]."""
        return self._fleet.step_batch(lanes, actions)

    @property
    def _fleet(self) -> Fleet:
        if not isinstance(self.live, Fleet):
            raise RuntimeError("maniskill steps lanes at once only with the option physics: cuda")
        return self.live

    def _check_tasks(self) -> None:
        tasks = self.tasks
        require_each_once("task", tasks)
        require_tasks("task", tasks, TASKS, of="ManiSkill")
        require_tasks("instructions", self.instructions, TASKS, of="ManiSkill")
        if len({TASKS[one].robot.joints for one in tasks}) > 1:
            raise ValueError(f"task must name tasks of one robot, got {', '.join(tasks)}")
        mute = [one for one in tasks if not TASKS[one].pays]
        if mute and self.reward == "dense":
            raise ValueError(f"reward: {mute[0]} pays only the sparse reward")
        shaped = [one for one in tasks if not TASKS[one].alike]
        if shaped and self.physics == "cuda":
            raise ValueError(f"physics: each scene of {shaped[0]} has its own shapes; say cpu")
        if not self.state and self.observation == "state":
            raise ValueError(f"observation: {tasks[0]} shows no state, only images")

    def _check_names(self) -> None:
        robot = self.robot
        for one in self.cameras:
            if one not in robot.cameras:
                raise ValueError(f"cameras: {one!r} is none of {', '.join(robot.cameras)}")
        if len({*self.cameras}) < len(self.cameras):
            raise ValueError(f"cameras must name each once, got {', '.join(self.cameras)}")
        if self.controlled not in robot.controls:
            known = ", ".join(robot.controls)
            raise ValueError(f"control: {self.controlled!r} is none of {known}")
