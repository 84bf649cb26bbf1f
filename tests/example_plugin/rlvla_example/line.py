"""A simulator in one file: a hand on a line goes to a dot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.types import Observation, SimulatorSpec, StepResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Start

SIZE = 32
NEAR = 0.1


@dataclass
class Line:
    """The image shows the dot, proprioception the hand; an action moves the hand."""

    lanes: int = 4
    """Lanes of the run."""
    max_steps: int = 8
    """Actions after which an episode is cut."""

    def __post_init__(self) -> None:
        for name in ("lanes", "max_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def tasks(self) -> list[str]:
        """The only task."""
        return ["dot"]

    @property
    def spec(self) -> SimulatorSpec:
        """One camera, one number of proprioception, one action dimension."""
        return SimulatorSpec(
            cameras={"top": (SIZE, SIZE)},
            proprio=1,
            privileged=2,
            action_low=(-1.0,),
            action_high=(1.0,),
            max_steps=self.max_steps,
            control_hz=5.0,
        )

    def start(self, lanes: int) -> None:
        """Make room for the lanes' hands, dots and clocks."""
        self._hand, self._dot, self._steps = np.zeros((3, lanes))

    def reset(self, lane: int, start: Start) -> Observation:
        """Draw a dot from the start; the hand is in the middle."""
        key = (start.seed, start.index, start.split == "eval")
        self._dot[lane] = np.random.default_rng(key).uniform(-1, 1)
        self._hand[lane] = self._steps[lane] = 0
        return self._observe(lane)

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Move the hand until it is at the dot or the time is over."""
        reward = np.zeros(len(actions), np.float32)
        terminated, truncated, valid = np.zeros((3, len(actions)), np.bool_)
        for i, (action,) in enumerate(actions):
            self._hand[lane] = np.clip(self._hand[lane] + 0.5 * action, -1, 1)
            self._steps[lane] += 1
            valid[i] = True
            terminated[i] = abs(self._hand[lane] - self._dot[lane]) < NEAR
            truncated[i] = not terminated[i] and self._steps[lane] >= self.max_steps
            reward[i] = terminated[i]
            if terminated[i] or truncated[i]:
                break
        seen = self._observe(lane)
        return StepResult(seen, reward, terminated, truncated, valid, bool(terminated.any()))

    def expert(self, lane: int) -> NDArray[np.float32]:
        """Go straight to the dot."""
        return np.clip(2 * (self._dot[[lane]] - self._hand[[lane]]), -1, 1).astype(np.float32)

    def close(self) -> None:
        """Nothing is held."""

    def _observe(self, lane: int) -> Observation:
        image = np.zeros((SIZE, SIZE, 3), np.uint8)
        column = round((self._dot[lane] + 1) / 2 * (SIZE - 3))
        image[14:18, column : column + 3] = 255
        hand, dot = self._hand[lane], self._dot[lane]
        return Observation(
            {"top": image},
            np.array([hand], np.float32),
            "go to the dot",
            np.array([hand, dot], np.float32),
        )
