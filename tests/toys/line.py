"""A point on a line that is told where to go, and that can fail in every way."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rlvla.core.protocol import EvaluationProtocol
from rlvla.core.types import Observation, SimulatorSpec, StepResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Start

REACH = 0.6
STRIDE = 0.3
INSTRUCTIONS = {-1: "go left", 1: "go right"}
FAULTS = Literal[
    "none", "kill", "exit", "raise", "raise_in_reset", "hang", "hang_in_start", "hang_in_reset",
    "hang_in_close", "nan", "shape", "dtype",
]  # fmt: skip
ELSEWHERE = ("none", "raise_in_reset", "hang_in_start", "hang_in_reset", "hang_in_close")
"""Faults that no step has."""
HANG_S = 1000


@dataclass
class Point:
    """The state of one lane."""

    x: float
    side: int
    """-1 or 1: where to go."""
    steps: int = 0

    @property
    def arrived(self) -> bool:
        return self.x * self.side >= REACH


@dataclass
class Line:
    """Reward 1 for arriving at the side that the instruction names, in at most 6 actions."""

    lanes: int = 4
    """Lanes that train."""
    cameras: int = 0
    """0 or 1 cameras, of 8 x 8 pixels."""
    fault: FAULTS = "none"
    """What goes wrong."""
    after: int = 10
    """Every such step (or reset) of a worker goes wrong."""
    once: str | None = None
    """A file that the first fault of all makes; no other follows."""
    delay_s: float = 0.0
    """Seconds that a step takes at least."""
    jitter_s: float = 0.0
    """Mean of the random seconds that a step takes beside that."""
    light: bool = False
    """Raise if torch was imported into the worker."""
    _points: dict[int, Point] = field(default_factory=dict[int, Point], init=False, repr=False)
    _calls: int = field(default=0, init=False, repr=False)

    @property
    def tasks(self) -> tuple[str, ...]:
        return ("go",)

    @property
    def protocols(self) -> tuple[EvaluationProtocol, ...]:
        return (EvaluationProtocol(name="line@v1", tasks=self.tasks, episodes=5, max_steps=6),)

    @property
    def spec(self) -> SimulatorSpec:
        return SimulatorSpec(
            cameras={"top": (8, 8)} if self.cameras else {},
            proprio=1,
            privileged=2,
            action_low=(-1.0,),
            action_high=(1.0,),
            max_steps=6,
            control_hz=5.0,
        )

    def start(self, lanes: int) -> None:
        if self.fault == "hang_in_start":
            time.sleep(HANG_S)
        self._points = {lane: Point(0.0, 1) for lane in range(lanes)}

    def reset(self, lane: int, start: Start) -> Observation:
        if self.light and "torch" in sys.modules:
            raise RuntimeError("torch was imported into a simulator worker")
        if self.fault == "raise_in_reset" and self._due():
            raise RuntimeError("the line is broken")
        if self.fault == "hang_in_reset" and self._due():
            time.sleep(HANG_S)
        dice = np.random.default_rng((start.seed, start.index, start.split == "eval"))
        self._points[lane] = Point(float(dice.uniform(-0.2, 0.2)), 1 - 2 * (start.index % 2))
        return self._observe(self._points[lane])

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        time.sleep(self.delay_s)
        if self.jitter_s:
            time.sleep(random.expovariate(1 / self.jitter_s))
        point = self._points[lane]
        chunk = len(actions)
        row = {name: np.zeros(chunk, np.bool_) for name in ("terminated", "truncated", "valid")}
        for number, (action,) in enumerate(actions.tolist()):
            point.x += STRIDE * max(-1.0, min(1.0, action))
            point.steps += 1
            row["valid"][number] = True
            row["terminated"][number] = point.arrived
            row["truncated"][number] = not point.arrived and point.steps >= self.spec.max_steps
            if point.arrived or point.steps >= self.spec.max_steps:
                break
        observation = self._observe(point)
        reward: Any = row["terminated"].astype(np.float32)
        if self.fault not in ELSEWHERE and self._due():
            observation, reward = self._fail(observation, reward)
        return StepResult(observation, reward, **row, success=point.arrived)

    def expert(self, lane: int) -> NDArray[np.float32]:
        return np.array([self._points[lane].side], np.float32)

    def close(self) -> None:
        self._points.clear()
        if self.fault == "hang_in_close":
            time.sleep(HANG_S)

    def _observe(self, point: Point) -> Observation:
        shade = np.full((8, 8, 3), int(100 + 50 * max(-2.0, min(2.0, point.x))), np.uint8)
        return Observation(
            {"top": shade} if self.cameras else {},
            np.array([point.x], np.float32),
            INSTRUCTIONS[point.side],
            np.array([point.x, point.side], np.float32),
        )

    def _due(self) -> bool:
        self._calls += 1
        if self._calls % self.after:
            return False
        if self.once is None:
            return True
        try:
            Path(self.once).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def _fail(self, seen: Observation, reward: NDArray[np.float32]) -> tuple[Observation, Any]:
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "exit":
            os._exit(7)
        if self.fault == "raise":
            raise RuntimeError("the line is broken")
        if self.fault == "hang":
            time.sleep(HANG_S)
        if self.fault == "nan":
            seen.proprio[0] = np.nan
        if self.fault == "shape":
            return seen, np.zeros(len(reward) + 1, np.float32)
        return seen, reward.astype(np.float64) if self.fault == "dtype" else reward
