"""A world of one scene on the CPU, as a stage plays it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.plugins.simulators.maniskill.world import World

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rlvla.core.types import Observation, Start
    from rlvla.plugins.simulators.maniskill import ManiSkill


class Scene:
    """See `stage.Scene` for the calls."""

    def __init__(self, options: ManiSkill, task: str) -> None:
        self.task = task
        self._world = World(options, task, 1)

    def begin(self, start: Start) -> None:
        """Begin the episode of `start`."""
        self._world.begin([0], [start])

    def step(self, action: NDArray[np.float32]) -> tuple[float, bool]:
        """Execute an action."""
        paid, success = self._world.act(action[None])
        return float(paid[0]), bool(success[0])

    def observe(self) -> Observation:
        """Show what is there now."""
        (shown,) = self._world.observe([0])
        return shown

    def close(self) -> None:
        """Release it."""
        self._world.close()
