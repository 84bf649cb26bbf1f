"""A desk as a gymnasium environment that observes much at once, and can be drawn."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Tuple

LIMIT = 4
"""Steps after which an episode is cut."""
VIEWS: dict[str, Any] = {"left": Box(0, 255, (2, 3, 3), np.uint8)}
PARTS: dict[str, Any] = {
    "views": Dict(VIEWS),
    "top": Box(0, 255, (4, 5, 3), np.uint8),
    "goal": Discrete(3, start=1),
    "arms": Tuple((Box(-1, 9, (2,), np.float64), Box(0, 9, (), np.int64))),
}


class Desk(gymnasium.Env[Any, Any]):
    """Counts its steps: what is observed is their number, but the goal; a drawing tells how many
    there were of the episode, too.

    The goal, drawn anew for each episode unless the reset's options name one, is reached when as
    many steps are done, which `says` tells in the info. It never ends by itself.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012 - as gymnasium has it

    observation_space = Dict(PARTS)
    action_space = Box(-1, 1, (1,))

    def __init__(
        self, *, says: str = "is_success", final: str | None = None, render_mode: str | None = None
    ) -> None:
        self.render_mode = render_mode
        self._says, self._final = says, final

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed, options=options)
        drawn = int(self.np_random.integers(1, 4))
        self.goal: int = drawn if options is None else options["goal"]
        self.steps = self.drawn = 0
        return self._observed(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:  # noqa: ANN401
        self.steps += 1
        info: dict[str, Any] = {self._says: np.float32(self.steps == self.goal)}
        if self._final is not None:
            info[self._final] = self._observed()
        return self._observed(), float(action[0]), False, False, info

    def render(self) -> Any:  # noqa: ANN401
        self.drawn += 1
        return np.repeat(np.full((4, 8, 3), [10, self.drawn, self.steps], np.uint8), 2, axis=0)

    def _observed(self) -> dict[str, Any]:
        return {
            "views": {"left": np.full((2, 3, 3), self.steps, np.uint8)},
            "top": np.full((4, 5, 3), 100 + self.steps, np.uint8),
            "goal": self.goal,
            "arms": (np.array([self.steps, -1.0]), np.array(self.steps)),
        }


gymnasium.register("Desk-v0", "toys.desk:Desk", max_episode_steps=LIMIT)
