"""A simulator that only takes time: to measure schedulers with real processes on any machine.

The task is to tell the sign of the one number that is shown; each right action earns a reward.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvla.core.latency import Curve, Latency
from rlvla.core.types import Observation, SimulatorSpec, StepResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rlvla.core.types import Start

IMAGES = 16
"""How many different images there are; a lane shows one after the other."""


@dataclass
class Lane:
    """Where a lane is in its episode."""

    identity: int = -1
    """Ordinal of the lane's first start: no other lane of the run has it."""
    dice: random.Random = field(default_factory=random.Random)
    steps: int = 0
    shown: float = 0.0


@dataclass(kw_only=True)
class LatencySimulator:
    """Waits as its latency models say; a worker steps its lanes one after the other."""

    lanes: int = 16
    """Lanes that train."""
    size: int = 0
    """Height and width of the one camera's images; 0: no camera."""
    proprio: int = 1
    """Length of the state; its first number is what the task is about."""
    action_dim: int = 1
    """Length of an action."""
    max_steps: int = 100
    """Actions of an episode."""
    step_latency: Latency = field(default_factory=lambda: Latency(mean_ms=20.0, cv=0.5))
    """Time of a chunk of actions in one lane."""
    reset_latency: Latency = field(default_factory=lambda: Latency(mean_ms=20.0))
    """Time to begin an episode in one lane."""
    batch_latency: Curve | None = None
    """Time of a chunk, or of beginnings, in n lanes at once: the lanes of a worker go together."""
    burn: bool = False
    """Keep a core busy instead of sleeping."""
    _lanes: list[Lane] = field(default_factory=list[Lane], init=False, repr=False)
    _images: list[Any] = field(default_factory=list[Any], init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("lanes", "proprio", "action_dim", "max_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.size < 0:
            raise ValueError(f"size must be at least 0, got {self.size}")

    @property
    def tasks(self) -> tuple[str, ...]:
        """The one task."""
        return ("sign",)

    @property
    def spec(self) -> SimulatorSpec:
        """Actions between -1 and 1, at 10 Hz."""
        return SimulatorSpec(
            cameras={"camera": (self.size, self.size)} if self.size else {},
            proprio=self.proprio,
            action_low=(-1.0,) * self.action_dim,
            action_high=(1.0,) * self.action_dim,
            max_steps=self.max_steps,
            control_hz=10.0,
            batched=self.batch_latency is not None,
        )

    def start(self, lanes: int) -> None:
        """Draw the images."""
        self._lanes = [Lane() for _ in range(lanes)]
        noise = np.random.default_rng(0)
        shape = (IMAGES if self.size else 0, self.size, self.size, 3)
        self._images = [*noise.integers(0, 256, shape, np.uint8)]

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin an episode; see `Simulator.reset`."""
        observation = self._begin(self._lanes[lane], start)
        self._wait(self.reset_latency.draw(self._lanes[lane].dice, self._lanes[lane].identity))
        return observation

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Execute a chunk of actions; see `Simulator.step`."""
        self._wait(self.step_latency.draw(self._lanes[lane].dice, self._lanes[lane].identity))
        return self._execute(self._lanes[lane], actions)

    def reset_batch(self, lanes: Sequence[int], starts: Sequence[Start]) -> Sequence[Observation]:
        """Begin episodes at once; see `BatchSimulator.reset_batch`."""
        self._wait_for_all(len(lanes))
        pairs = zip(lanes, starts, strict=True)
        return [self._begin(self._lanes[lane], start) for lane, start in pairs]

    def step_batch(
        self, lanes: Sequence[int], actions: NDArray[np.float32]
    ) -> Sequence[StepResult]:
        """Execute chunks at once; see `BatchSimulator.step_batch`."""
        self._wait_for_all(len(lanes))
        pairs = zip(lanes, actions, strict=True)
        return [self._execute(self._lanes[lane], chunk) for lane, chunk in pairs]

    def close(self) -> None:
        """Forget the lanes."""
        self._lanes.clear()

    def _wait_for_all(self, lanes: int) -> None:
        if self.batch_latency is not None:
            self._wait(self.batch_latency.seconds(lanes))

    def _wait(self, seconds: float) -> None:
        if not self.burn:
            time.sleep(seconds)
            return
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    def _begin(self, lane: Lane, start: Start) -> Observation:
        if lane.identity < 0:
            lane.identity = start.index
        lane.dice = random.Random(f"{start.split}/{start.seed}/{start.index}")
        lane.steps = 0
        return self._observe(lane)

    def _execute(self, lane: Lane, actions: NDArray[np.float32]) -> StepResult:
        left = self.max_steps - lane.steps
        number = np.arange(1, len(actions) + 1)
        valid = number <= left
        right = (actions[:, 0] * lane.shown > 0) & valid
        lane.steps += int(valid.sum())
        return StepResult(
            self._observe(lane),
            reward=right.astype(np.float32),
            terminated=np.zeros(len(actions), np.bool_),
            truncated=number == left,
            valid=valid,
            success=bool(right.any()),
        )

    def _observe(self, lane: Lane) -> Observation:
        lane.shown = lane.dice.uniform(-1.0, 1.0)
        proprio = np.zeros(self.proprio, np.float32)
        proprio[0] = lane.shown
        images = {"camera": self._images[lane.steps % IMAGES]} if self.size else {}
        return Observation(images, proprio, "tell the sign")
