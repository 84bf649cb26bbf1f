"""The simulator `libero`: a Panda arm at the tasks of LIBERO, told in words what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path  # noqa: TC003 - read at run time as the type of an option
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from rlvla.core.pins import Pins, pinned_beside
from rlvla.core.types import SimulatorSpec
from rlvla.plugins.ranges import require
from rlvla.plugins.simulators import opengl
from rlvla.plugins.simulators.libero import package
from rlvla.plugins.simulators.libero.scene import Scene
from rlvla.plugins.simulators.libero.tasks import LIMITS, Suite, protocol, tasks_of
from rlvla.plugins.simulators.live import Live
from rlvla.plugins.simulators.names import require_tasks
from rlvla.plugins.simulators.stage import Rules, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.protocol import EvaluationProtocol

Camera: TypeAlias = Literal["agentview", "robot0_eye_in_hand", "frontview", "sideview", "birdview"]


def _cameras() -> list[Camera]:
    return ["agentview", "robot0_eye_in_hand"]


@dataclass
class Libero(Live[Stage[Scene]]):
    """LIBERO's tasks; satisfies `PublishedSimulator` and `PreparedSimulator`.

    An action is a motion of the hand along and about three axes, each in [-1, 1], and the fingers:
    -1 opens, 1 closes. The proprioception is the hand's position in metres, its rotation vector in
    radians, and the positions of both fingers. Evaluation starts are the 50 published states of
    each task; training starts are drawn by the task's own sampler and are never among them.
    Needs `hf-libero` (`rlvla sim install libero` installs it apart) and the models of LIBERO.
    """

    pins: ClassVar[Pins] = Pins(
        requirements=pinned_beside(__file__),
        megabytes=2900,
        pythons="3.11 or newer",
        note="The models of its scenes are not in the package: see the option `assets`. Where "
        "torch draws CUDA, the environment is some 5 GB larger; `--index-url` of pip avoids it.",
    )

    lanes: int = 8
    """Lanes of the run."""
    suite: Suite = "libero_spatial"
    """Which tasks; `libero_10` is also known as LIBERO-Long."""
    task: list[str] = field(default_factory=list[str])
    """Names of those of its tasks that are meant; none for all of them."""
    assets: Path | None = None
    """Folder with the models; by default that in the package, which is there only if somebody has
    put it there."""
    cameras: list[Camera] = field(default_factory=_cameras)
    """Cameras whose images are shown, each at most once; none needs no OpenGL."""
    size: int = 256
    """Width and height of the images in pixels."""
    mirrored: bool = True
    """Show left and right exchanged, as published policies saw them: the half turn by which their
    data was set upright also mirrors what the package draws upside down."""
    hard_reset: Literal["never", "evaluation", "always"] = "evaluation"
    """When the scene is compiled anew for an episode, which takes seconds; `evaluation`: only where
    rates are published. Without it positions differ by up to 1e-4 after some actions, as the
    arm's controller remembers the episode before: runs are then not reproducible to the bit."""
    on_success: Literal["end", "continue"] = "end"
    """`continue` plays on to the time limit; an episode is a success if it was one at any time."""
    max_steps: int | None = None
    """Actions after which an episode is cut; by default as published for the suite."""
    render: Literal["auto", "egl", "osmesa"] = "auto"
    """What OpenGL draws the images; `auto` takes the first that works here."""
    shadows: bool = True
    """Draw shadows and smooth edges, as policies saw them; without, twice as fast on a CPU."""
    spare: int = 2
    """How many scenes that no lane plays a worker keeps for later; each takes 50 to 500 MB."""

    def __post_init__(self) -> None:
        require(self, "lanes max_steps", low=1)
        require(self, "size", low=8, high=1024)
        require(self, "spare", low=0)
        self._check_names()

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the tasks that episodes are drawn from."""
        return self.task or tasks_of(self.suite)

    @property
    def protocols(self) -> Sequence[EvaluationProtocol]:
        """That of the suite, if it is played as published."""
        published = protocol(self.suite)
        limited = self.limit == published.max_steps
        is_whole = {*self.tasks} == {*published.tasks}
        return [published] if limited and is_whole and self.hard_reset != "never" else []

    @property
    def limit(self) -> int:
        """Actions after which an episode is cut."""
        return LIMITS[self.suite] if self.max_steps is None else self.max_steps

    @property
    def spec(self) -> SimulatorSpec:
        """What is shown and taken."""
        return SimulatorSpec(
            cameras=dict.fromkeys(self.cameras, (self.size, self.size)),
            proprio=8,
            action_low=(-1.0,) * 7,
            action_high=(1.0,) * 7,
            max_steps=self.limit,
            control_hz=20.0,
        )

    def prepare(self) -> None:
        """Find an OpenGL that draws, if images are shown."""
        if self.cameras:
            opengl.choose(self.render)

    def start(self, lanes: int) -> None:
        """Import the package; raise RuntimeError that says what is missing."""
        del lanes  # each gets a scene when it begins
        assets = package.checked_assets(self.assets)
        if self.cameras:
            opengl.claim(opengl.choose(self.render))
        rules = Rules(self.spec, ends=self.on_success == "end", dense=False, spare=self.spare)
        self._live = Stage(partial(Scene, self, package.load(assets)), rules)

    def _check_names(self) -> None:
        named: dict[str, Sequence[str]] = {"task": self.task, "cameras": self.cameras}
        for name, values in named.items():
            if len({*values}) < len(values):
                raise ValueError(f"{name} must not repeat a name, got {', '.join(values)}")
        require_tasks("task", self.task, tasks_of(self.suite), of=self.suite)
