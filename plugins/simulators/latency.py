"""A simulator that only takes time: to measure schedulers with real processes on any machine.

The task is to tell the sign of a number that is shown throughout an episode.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.latency import Curve, Latency
from rlvla.core.types import Observation, SimulatorSpec, StepResult
from rlvla.plugins.ranges import require
from rlvla.plugins.waiting import lasting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.types import Array, Start

INSTRUCTION = "tell the sign"
VIEWS = 64
"""Different observations; an episode shows them in turn."""
ENOUGH = 0.75
"""Share of right actions from which on an episode is a success."""


@dataclass
class Episode:
    """The state of a lane."""

    goal: float
    """In [-1, 1]: the number whose sign the first action dimension should have."""
    random: Random
    """Of the times that its calls take."""
    steps: int
    """Actions so far, and the number of what is shown first."""
    left: int
    """Actions until the time limit."""
    right: int = 0
    """Right actions so far."""


@dataclass(kw_only=True)
class LatencySimulator:
    """Waits as long as a simulator takes, and shows images of its size; a `BatchSimulator`.

    An action whose first number has the sign of the first proprioceptive one pays
    `1 / max_steps`; a return of at least 0.75 is a success. Episodes last `max_steps` actions.
    Times are drawn from the start of the episode: equal starts take equal times. A lane's part of
    `spread` is drawn from the first start that it is given: its number is one of its worker only.
    """

    lanes: int = 16
    """Lanes of the run."""
    cameras: int = 0
    """Cameras, with images of noise that change from action to action."""
    size: int = 64
    """Width and height of the images in pixels."""
    proprio: int = 1
    """Length of the proprioception, of which the first number is to be told."""
    action_dim: int = 1
    """Dimensions of an action, each in [-1, 1]."""
    max_steps: int = 100
    """Actions of an episode."""
    step_latency: Latency = field(default_factory=Latency)
    """Time of a chunk of actions in one lane; the lanes of a worker take it one after the other."""
    reset_latency: Latency = field(default_factory=Latency)
    """Time of the beginning of an episode in one lane."""
    batch_latency: Curve | None = None
    """Time of a chunk in so many lanes at once, instead of `step_latency`. The lanes of a worker
    then go together, and begin episodes together in the longest `reset_latency` of them."""
    burn: bool = False
    """Keep a core busy instead of sleeping."""
    seed: int = 0
    """Of the images, goals and times."""

    def __post_init__(self) -> None:
        require(self, "lanes size proprio action_dim max_steps", low=1)
        require(self, "cameras seed", low=0)
        self._episodes: dict[int, Episode] = {}
        self._paces: dict[int, int] = {}
        self._shown: Shown | None = None

    @property
    def tasks(self) -> Sequence[str]:
        """The only one."""
        return ("sign",)

    @property
    def spec(self) -> SimulatorSpec:
        """What is shown and taken."""
        names = [f"camera{number}" for number in range(self.cameras)]
        return SimulatorSpec(
            cameras=dict.fromkeys(names, (self.size, self.size)),
            proprio=self.proprio,
            action_low=(-1.0,) * self.action_dim,
            action_high=(1.0,) * self.action_dim,
            max_steps=self.max_steps,
            control_hz=20.0,
            batched=self.batch_latency is not None,
        )

    def start(self, lanes: int) -> None:
        """Draw what is shown."""
        del lanes
        self._shown = Shown(self)

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin an episode, in its time."""
        with lasting(self._begin(lane, start), burn=self.burn):
            return self._observe(lane)

    def step(self, lane: int, actions: Array) -> StepResult:
        """Execute a chunk of actions, float32 [C, action_dim], in its time."""
        seconds = self.step_latency.draw(self._episodes[lane].random, self._paces[lane])
        with lasting(seconds, burn=self.burn):
            return self._move(lane, actions)

    def reset_batch(self, lanes: Sequence[int], starts: Sequence[Start]) -> Sequence[Observation]:
        """Begin an episode in each of these lanes, in the time of the slowest."""
        seconds = max(self._begin(lane, start) for lane, start in zip(lanes, starts, strict=True))
        with lasting(seconds, burn=self.burn):
            return [self._observe(lane) for lane in lanes]

    def step_batch(self, lanes: Sequence[int], actions: Array) -> Sequence[StepResult]:
        """Execute a chunk in each of these lanes, float32 [N, C, action_dim], in their time."""
        if self.batch_latency is None:
            raise RuntimeError("latency steps lanes at once only with the option batch_latency")
        with lasting(self.batch_latency.seconds(len(lanes)), burn=self.burn):
            return [self._move(*one) for one in zip(lanes, actions, strict=True)]

    def close(self) -> None:
        """Forget all episodes."""
        self._episodes.clear()
        self._paces.clear()
        self._shown = None

    def _begin(self, lane: int, start: Start) -> float:
        """Set the lane to its start; return how long that takes, in seconds."""
        random = Random(f"{self.seed} {start}")
        goal, steps = random.uniform(-1, 1), random.randrange(VIEWS)
        self._episodes[lane] = Episode(goal, random, steps, self.max_steps)
        return self.reset_latency.draw(random, self._paces.setdefault(lane, start.index))

    def _move(self, lane: int, actions: Array) -> StepResult:
        episode, chunk = self._episodes[lane], len(actions)
        executed = min(chunk, episode.left)
        valid = np.arange(chunk) < executed
        right = (actions[:, 0] * episode.goal > 0) & valid
        episode.steps += executed
        episode.left -= executed
        episode.right += int(right.sum())
        truncated = np.zeros(chunk, np.bool_)
        truncated[executed - 1] = not episode.left
        return StepResult(
            self._observe(lane),
            reward=right.astype(np.float32) / np.float32(self.max_steps),
            terminated=np.zeros(chunk, np.bool_),
            truncated=truncated,
            valid=valid,
            success=not episode.left and episode.right >= ENOUGH * self.max_steps,
        )

    def _observe(self, lane: int) -> Observation:
        if self._shown is None:
            raise RuntimeError("latency is not started; call start(lanes) first")
        episode = self._episodes[lane]
        return self._shown.at(episode.steps, episode.goal)


class Shown:
    """Observations drawn beforehand: to show one costs next to nothing."""

    def __init__(self, options: LatencySimulator) -> None:
        random = np.random.default_rng(options.seed)
        self._images = {
            name: random.integers(0, 256, (VIEWS, *size, 3), np.uint8)
            for name, size in options.spec.cameras.items()
        }
        self._proprio = random.uniform(-1, 1, (VIEWS, options.proprio)).astype(np.float32)

    def at(self, step: int, goal: float) -> Observation:
        """Return what is shown after so many actions."""
        view = step % VIEWS
        proprio = self._proprio[view].copy()
        proprio[0] = goal
        return Observation(
            {name: one[view] for name, one in self._images.items()}, proprio, INSTRUCTION
        )
