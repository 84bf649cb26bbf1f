"""The simulator `envpool`: environments in C++, states only, by their id."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from rlvla.core.pins import Pins, pinned_beside
from rlvla.core.types import SimulatorSpec
from rlvla.plugins.ranges import require
from rlvla.plugins.simulators.live import Live

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rlvla.core.types import Observation, Start, StepResult
    from rlvla.plugins.simulators.envpool.pools import Pools


Played: TypeAlias = "Pools"


@dataclass
class EnvPool(Live[Played]):
    """Environments of one id of EnvPool, which its C++ threads step; a `BatchSimulator`.

    All that an environment shows is flattened into the proprioception, in the order of its names;
    actions are vectors of numbers; the reward is the environment's own. A success is what it says
    under `success` or `is_success`, if it does. It tells no rate: `control_hz` is 1.

    EnvPool seeds an environment only when it is made, and begins the next episode by itself, with
    a step that executes no action. So each episode has an environment of its own, made with the
    seed of its start and left at its end: that takes 25 ms of a core for Meta-World, 3 ms for
    Gymnasium's MuJoCo. Its images need a display and are not shown: see `metaworld`.
    """

    pins: ClassVar[Pins] = Pins(
        requirements=pinned_beside(__file__),
        megabytes=950,
        pythons="3.11 or newer",
    )

    env: str
    """Id of the environment, such as MetaWorld/Push-v3 or HalfCheetah-v5."""
    lanes: int = 8
    """Lanes of the run."""
    kwargs: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the environment is made with, such as `partially_observable: false` for Meta-World,
    which else hides the goal."""
    on_success: Literal["end", "continue"] = "end"
    """`continue` plays on to the time limit; an episode is a success if it was one at any time."""
    max_steps: int | None = None
    """Actions after which an episode is cut; by default the environment's own limit."""

    def __post_init__(self) -> None:
        require(self, "lanes max_steps", low=1)
        self._spec: SimulatorSpec | None = None

    @property
    def tasks(self) -> Sequence[str]:
        """The id of the environment."""
        return [self.env]

    @property
    def spec(self) -> SimulatorSpec:
        """What is shown and taken, as EnvPool tells it."""
        if self._spec is None:
            from rlvla.plugins.simulators.envpool.pools import described

            shown, taken, limit = described(self)
            self._spec = SimulatorSpec(
                cameras={},
                proprio=sum(prod(one.shape) for one in shown),
                action_low=tuple(taken.low.tolist()),
                action_high=tuple(taken.high.tolist()),
                max_steps=limit,
                control_hz=1.0,
                batched=True,
            )
        return self._spec

    def start(self, lanes: int) -> None:
        """Make nothing yet: each episode makes its environment."""
        from rlvla.plugins.simulators.envpool.pools import Pools

        del lanes
        self._live = Pools(self)

    def reset_batch(self, lanes: Sequence[int], starts: Sequence[Start]) -> Sequence[Observation]:
        """Begin an episode in each of these lanes."""
        return self.live.reset_batch(lanes, starts)

    def step_batch(
        self, lanes: Sequence[int], actions: NDArray[np.float32]
    ) -> Sequence[StepResult]:
        """Execute a chunk in each of these lanes, float32 [N, C, D]."""
        return self.live.step_batch(lanes, actions)
