"""The simulator `gymnasium`: any environment that is registered there, by its id."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from rlvla.core.pins import Pins, pinned_beside
from rlvla.core.types import SimulatorSpec, encode_instruction
from rlvla.plugins.ranges import require
from rlvla.plugins.simulators import opengl
from rlvla.plugins.simulators.gymnasium.wrappers import Wrapper
from rlvla.plugins.simulators.live import Live

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.plugins.simulators.gymnasium.episodes import Episodes

Played: TypeAlias = "Episodes"


@dataclass
class Gymnasium(Live[Played]):
    """Environments of one id, a lane each, that step in turn.

    What an environment observes is taken apart into the entries of its Dicts and Tuples, which are
    named by the keys on the way, as `pixels.top`. An entry that is uint8 [height, width, 3] is the
    image of the camera of that name; all others, flattened and choices one-hot, are the
    proprioception, in the order of the space. What is no Dict or Tuple is the camera `front`, or
    the entry `observation`.

    An action is what a Box within bounds holds, flattened, or the numbers of the choices of a
    Discrete, MultiDiscrete or MultiBinary. The success of an episode is what the environment says
    with its last action under `is_success` or `success`, if it does. No wrapper may carry over
    anything from one episode to the next, as NormalizeObservation does: equal starts would no
    longer give equal episodes.
    """

    pins: ClassVar[Pins] = Pins(
        requirements=pinned_beside(__file__),
        megabytes=850,
        pythons="3.11 or 3.12",
        note="It holds Gymnasium-Robotics, gym-pusht and gym-aloha: their environments are "
        "gymnasium_robotics:FetchReach-v4, gym_pusht/PushT-v0, gym_aloha/AlohaTransferCube-v0 ...",
    )

    env: str
    """Id of the environment, as HalfCheetah-v5. Where it comes with another package, that is named
    before it, as `gymnasium_robotics:FetchReach-v4`, unless it is also the id's namespace."""
    lanes: int = 8
    """Lanes of the run."""
    kwargs: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the environment is made with."""
    wrappers: list[str | Wrapper] = field(default_factory=list[str | Wrapper])
    """What is put around it, the innermost first: the names of Gymnasium's own, or others by
    `module:Class`; with arguments, `{name: RescaleAction, kwargs: {min_action: -1, ...}}`."""
    reset_options: dict[str, Any] = field(default_factory=dict[str, Any])
    """What every reset is told as `options`."""
    pixels: list[int] = field(default_factory=list[int])
    """Height and width of an image that the environment draws for the camera `front`, once for
    each decision; empty for none. It is resized to that unless it is drawn so, which many do by
    `kwargs: {height: ..., width: ...}`, and faster."""
    render: Literal["auto", "egl", "osmesa"] | None = None
    """By what OpenGL environments of MuJoCo draw; `auto` takes the first that works here."""
    privileged: list[str] = field(default_factory=list[str])
    """Entries that only training sees, not the proprioception: the goal, or all that an image must
    tell a policy."""
    instruction: str | None = None
    """What a policy is told to do; by default the id."""
    on_success: Literal["end", "continue"] = "continue"
    """`end` ends an episode at its first success; `continue` leaves that to the environment."""
    max_steps: int | None = None
    """Actions after which an episode is cut; by default the environment's own limit."""
    control_hz: float | None = None
    """Actions per second; by default the `render_fps` that the environment states, else 1."""

    def __post_init__(self) -> None:
        require(self, "lanes max_steps", low=1)
        if self.control_hz is not None and not self.control_hz > 0:
            raise ValueError(f"control_hz must be positive, got {self.control_hz}")
        if self.pixels and (len(self.pixels) != 2 or min(self.pixels) < 1):
            raise ValueError(f"pixels must be height and width of at least 1, got {self.pixels}")
        encode_instruction(self.told)

    @property
    def tasks(self) -> Sequence[str]:
        """The id of the environment."""
        return [self.env]

    @property
    def told(self) -> str:
        """What a policy is told."""
        return self.env if self.instruction is None else self.instruction

    @property
    def spec(self) -> SimulatorSpec:
        """What is shown and taken; makes the environment once to learn it."""
        return self._learnt

    def prepare(self) -> None:
        """Find an OpenGL that draws, if one is named."""
        if self.render is not None:
            opengl.choose(self.render)

    def start(self, lanes: int) -> None:
        """Make an environment for each lane."""
        from rlvla.plugins.simulators.gymnasium.episodes import Episodes

        self._choose_opengl()
        self._live = Episodes(self, lanes)

    @cached_property
    def _learnt(self) -> SimulatorSpec:
        from rlvla.plugins.simulators.gymnasium.actions import actions_of
        from rlvla.plugins.simulators.gymnasium.environment import limit_of, make
        from rlvla.plugins.simulators.gymnasium.view import View

        self._choose_opengl()
        made = make(self)
        try:
            view, actions = View(self, made), actions_of(made.action_space, self.env)
            rate = self.control_hz or made.metadata.get("render_fps") or 1
            return SimulatorSpec(
                cameras=view.cameras,
                proprio=view.proprio,
                privileged=view.privileged,
                action_low=actions.low,
                action_high=actions.high,
                discrete=actions.discrete,
                max_steps=limit_of(made, self.env),
                control_hz=float(rate),
            )
        finally:
            made.close()

    def _choose_opengl(self) -> None:
        """MuJoCo wants to know before it is imported, which making an environment may do."""
        if self.render is not None:
            opengl.claim(opengl.choose(self.render))
