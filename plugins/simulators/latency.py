"""The simulator `latency`: takes the time of another one, on any machine and without it."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.latency import Curve, Latency
from rlvla.core.types import Observation, SimulatorSpec, StepResult
from rlvla.plugins.waiting import lasting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.types import Array, Start

INSTRUCTION = "move as the first number of your state says"
VIEWS = 64
"""Different observations; an episode shows them in turn."""
NEAR = 0.75
"""Return from which on an episode is a success."""


@dataclass
class Episode:
    """The state of a lane."""

    goal: float
    """In [-1, 1]: where the first action dimension should be."""
    random: Random
    """Of the times that its calls take."""
    steps: int
    """Actions so far, and the number of what is shown first."""
    left: int
    """Actions until the time limit."""
    paid: float = 0.0
    """Return so far."""


@dataclass(kw_only=True)
class LatencySimulator:
    """Waits as long as a simulator takes, and shows images of its size; a `BatchSimulator`.

    Each action pays `(1 - |action[0] - proprio[0]| / 2) / max_steps`, so that the return is at
    most 1 and can be learned; from 0.75 on an episode is a success. Episodes last `max_steps`
    actions. Times are drawn from the start of the episode: equal starts take equal times. A
    lane's part of `spread` is drawn from the first start that it is given.
    """

    lanes: int = 16
    """Lanes of the run."""
    cameras: int = 1
    """Cameras, with images of noise that change from action to action."""
    size: int = 64
    """Width and height of the images in pixels."""
    proprio: int = 8
    """Length of the proprioception; the first number is what the first action should be."""
    action_dim: int = 7
    """Dimensions of an action, each in [-1, 1]."""
    max_steps: int = 100
    """Actions of an episode."""
    step_time: Latency = field(default_factory=Latency)
    """Time of a chunk of actions in one lane; the lanes of a worker take it one after the other."""
    reset_time: Latency = field(default_factory=Latency)
    """Time of the beginning of an episode in one lane."""
    batch_time: Curve | None = None
    """Time of a chunk in so many lanes at once, instead of `step_time`. The lanes of a worker then
    step together, and begin episodes together in the longest `reset_time` of them."""
    burn: bool = False
    """Keep a core busy instead of sleeping."""
    seed: int = 0
    """Of the images, goals and times."""

    def __post_init__(self) -> None:
        for name in ("lanes", "size", "proprio", "action_dim", "max_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("cameras", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        self._episodes: dict[int, Episode] = {}
        self._paces: dict[int, int] = {}
        self._shown: Shown | None = None

    @property
    def tasks(self) -> Sequence[str]:
        """The only one."""
        return ("follow",)

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
            batched=self.batch_time is not None,
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
        seconds = self.step_time.draw(self._episodes[lane].random, self._paces[lane])
        with lasting(seconds, burn=self.burn):
            return self._move(lane, actions)

    def reset_batch(self, lanes: Sequence[int], starts: Sequence[Start]) -> Sequence[Observation]:
        """Begin an episode in each of these lanes, in the time of the slowest."""
        seconds = max(self._begin(lane, start) for lane, start in zip(lanes, starts, strict=True))
        with lasting(seconds, burn=self.burn):
            return [self._observe(lane) for lane in lanes]

    def step_batch(self, lanes: Sequence[int], actions: Array) -> Sequence[StepResult]:
        """Execute a chunk in each of these lanes, float32 [N, C, action_dim], in their time."""
        if self.batch_time is None:
            raise RuntimeError("latency steps lanes at once only with the option batch_time")
        with lasting(self.batch_time.seconds(len(lanes)), burn=self.burn):
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
        return self.reset_time.draw(random, self._paces.setdefault(lane, start.index))

    def _move(self, lane: int, actions: Array) -> StepResult:
        episode, chunk = self._episodes[lane], len(actions)
        executed = min(chunk, episode.left)
        valid = np.arange(chunk) < executed
        off = np.abs(np.clip(actions[:, 0], -1, 1) - np.float32(episode.goal))
        reward = np.where(valid, (1 - off / 2) / self.max_steps, 0).astype(np.float32)
        episode.steps += executed
        episode.left -= executed
        episode.paid += float(reward.sum())
        truncated = np.zeros(chunk, np.bool_)
        truncated[executed - 1] = not episode.left
        return StepResult(
            self._observe(lane),
            reward,
            terminated=np.zeros(chunk, np.bool_),
            truncated=truncated,
            valid=valid,
            success=not episode.left and episode.paid >= NEAR,
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
