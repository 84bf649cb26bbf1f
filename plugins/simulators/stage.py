"""Episodes of simulators that have one environment for each task: which lane plays in which.

Such an environment is slow to make and large, so that a lane gives it back when its episode is
over, and the next episode of the task, in whatever lane, goes on with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np

from rlvla.core.types import StepResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rlvla.core.types import Observation, SimulatorSpec, Start


class Scene(Protocol):
    """An environment of one task, whose time limit and end are left to the stage."""

    task: str

    def begin(self, start: Start) -> None:
        """Begin the episode of `start`."""
        ...

    def step(self, action: NDArray[np.float32]) -> tuple[float, bool]:
        """Execute an action within the bounds, float32 [D]; return what the environment pays, and
        whether the task is achieved. Draw nothing."""
        ...

    def observe(self) -> Observation:
        """Show what is there now; images are drawn only here."""
        ...

    def close(self) -> None:
        """Release it."""
        ...


S = TypeVar("S", bound=Scene)


@dataclass(frozen=True)
class Rules:
    """What ends an episode and what it pays."""

    spec: SimulatorSpec
    """Its `max_steps` are the actions after which an episode is cut."""
    ends: bool
    """A success ends it; else it is one at the end if it was one at any time."""
    dense: bool
    """What the environment pays is the reward; else 1 for the first success."""
    spare: int
    """How many scenes that no lane plays are kept."""


@dataclass
class Episode(Generic[S]):
    """What a lane plays."""

    scene: S
    steps: int = 0
    success: bool = False
    is_over: bool = False


class Stage(Generic[S]):
    """Plays episodes; see `Simulator` for the calls. `make` makes the scene of a task."""

    def __init__(self, make: Callable[[str], S], rules: Rules) -> None:
        self._make = make
        self._rules = rules
        self._episodes: dict[int, Episode[S]] = {}
        self._spare: list[S] = []

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin the episode of `start`."""
        if lane in self._episodes:
            self._spare.append(self._episodes.pop(lane).scene)
        scene = self._scene(start.task)
        while len(self._spare) > self._rules.spare:
            self._spare.pop(0).close()
        self._episodes[lane] = Episode(scene)
        scene.begin(start)
        return scene.observe()

    def again(self, lane: int) -> Observation:
        """Begin an episode where the lane's scene was brought to by other means."""
        scene = self.scene(lane)
        self._episodes[lane] = Episode(scene)
        return scene.observe()

    def scene(self, lane: int) -> S:
        """Return what the lane plays in."""
        return self._episodes[lane].scene

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Execute `actions`, float32 [C, D], up to the episode's end."""
        episode, spec = self._episodes[lane], self._rules.spec
        if episode.is_over:
            raise RuntimeError(f"lane {lane} is at its episode's end; reset it first")
        if actions.shape[1:] != (spec.action_dim,) or not np.isfinite(actions).all():
            raise ValueError(f"actions must be finite and [C, {spec.action_dim}], got {actions}")
        reward = np.zeros(len(actions), np.float32)
        terminated, truncated, valid = np.zeros((3, len(actions)), np.bool_)
        for at, action in enumerate(actions):
            valid[at] = True
            reward[at], terminated[at] = self._advance(episode, action)
            truncated[at] = not terminated[at] and episode.steps >= spec.max_steps
            if terminated[at] or truncated[at]:
                episode.is_over = True
                break
        seen = episode.scene.observe()
        return StepResult(seen, reward, terminated, truncated, valid, episode.success)

    def close(self) -> None:
        """Release all scenes."""
        for scene in [*self._spare, *(one.scene for one in self._episodes.values())]:
            scene.close()
        self._spare.clear()
        self._episodes.clear()

    def _scene(self, task: str) -> S:
        """Return a scene of this task that no lane plays, the latest that was given back."""
        for at in reversed(range(len(self._spare))):
            if self._spare[at].task == task:
                return self._spare.pop(at)
        return self._make(task)

    def _advance(self, episode: Episode[S], action: NDArray[np.float32]) -> tuple[float, bool]:
        """Execute one action; return its reward and whether it ends the episode by success."""
        paid, success = episode.scene.step(action)
        is_first = success and not episode.success
        episode.steps += 1
        episode.success |= success
        return paid if self._rules.dense else float(is_first), success and self._rules.ends
