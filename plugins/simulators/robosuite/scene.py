"""One environment that is built on robosuite, drawn only when somebody looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

from rlvla.core.types import Observation
from rlvla.plugins.simulators.robosuite.starts import seed_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rlvla.core.types import Split, Start
    from rlvla.plugins.simulators.robosuite.painter import Painter

    Shown: TypeAlias = Mapping[str, NDArray[np.float64]]

Compiling: TypeAlias = Literal["never", "evaluation", "always"]

COMMON = 0
"""Seed of what is compiled into the model of training episodes, such as sizes of objects."""


class World(Protocol):
    """What a package makes of robosuite."""

    def make(self, task: str, split: Split, seed: int) -> Any:  # noqa: ANN401 - it has no types
        """Return an environment of a task without cameras or end, that resets softly where it can;
        all that is random in it comes from `rng`, seeded with `seed`."""
        ...

    def proprio(self, shown: Shown) -> NDArray[np.float32]:
        """Return the robot's own state, of what the environment shows."""
        ...

    def privileged(self, task: str, shown: Shown) -> NDArray[np.float32]:
        """Return what only a critic sees."""
        ...

    def instruction(self, task: str, env: Any) -> str:  # noqa: ANN401
        """Return what is said of the episode that has just begun."""
        ...


@dataclass
class Scene:
    """An environment of one task; see `stage.Scene` for the calls."""

    world: World
    painter: Painter
    hard_reset: Compiling
    task: str

    def __post_init__(self) -> None:
        self._compiled: int | None = None
        self._instruction = ""
        self.env: Any = None
        """The package's, from the first episode on."""

    def begin(self, start: Start) -> None:
        """Begin the episode of `start`, which is a function of `start` alone.

        A hard one compiles a model for it; others share one, which an evaluation's never is.
        """
        seed = seed_of(start)
        if self._is_hard(start):
            self._compile(start.split, seed)
        else:
            if self._compiled != COMMON:
                self._compile(start.split, COMMON)
            self.env.rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state
        self.env.reset()
        self._instruction = self.world.instruction(self.task, self.env)

    def step(self, action: NDArray[np.float32]) -> tuple[float, bool]:
        """Execute an action."""
        paid = self.env.step(np.clip(action, -1.0, 1.0))[1]
        return float(paid), bool(self.env._check_success())

    def observe(self) -> Observation:
        """Show what is there now; the package itself shows what was after the first 2 ms of the
        latest action."""
        shown: Shown = self.env._get_observations(force_update=True)
        return Observation(
            images=self.painter.draw(self.env.sim),
            proprio=self.world.proprio(shown),
            instruction=self._instruction,
            privileged=self.world.privileged(self.task, shown),
        )

    def close(self) -> None:
        """Release it."""
        self.painter.forget()
        if self.env is not None:
            self.env.close()
        self.env = self._compiled = None

    def _is_hard(self, start: Start) -> bool:
        is_measured = start.split == "eval"
        return self.hard_reset == "always" or (self.hard_reset == "evaluation" and is_measured)

    def _compile(self, split: Split, seed: int) -> None:
        self.close()
        self.env = self.world.make(self.task, split, seed)
        self._compiled = seed
