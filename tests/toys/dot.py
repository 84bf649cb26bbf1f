"""A dot on a line as a gymnasium environment: every number of an episode is known beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT = 6
"""Steps after which an episode is cut."""


class Dot(gymnasium.Env[Any, Any]):
    """Begins within a tenth of 0 and moves by the action; over beyond 1, well done on the right.

    A move pays what it is. The state is a vector [place, 1], or the brightness of an image.
    """

    def __init__(self, *, image: bool = False) -> None:
        self._image = image
        self._place = 0.0
        self.action_space = Box(-0.5, 0.5, (1,))
        self.observation_space = (
            Box(0, 255, (24, 32, 3), np.uint8) if image else Box(-2, 2, (2, 1), np.float64)
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        super().reset(seed=seed, options=options)
        self._place = float(self.np_random.uniform(-0.1, 0.1))
        return self._shown(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        self._place += float(action[0])
        over = abs(self._place) > 1
        return self._shown(), float(action[0]), over, False, {"is_success": self._place > 1}

    def _shown(self) -> NDArray[Any]:
        if self._image:
            return np.full((24, 32, 3), 127 + 60 * self._place, np.uint8)
        return np.array([[self._place], [1.0]])


gymnasium.register("Dot-v0", "toys.dot:Dot", max_episode_steps=LIMIT)
gymnasium.register("Unlimited-v0", "toys.dot:Dot")
