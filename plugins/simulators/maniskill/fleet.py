"""Lanes that are scenes of one GPU: a worker steps all of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rlvla.core.types import StepResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from rlvla.core.types import Observation, Start
    from rlvla.plugins.simulators.stage import Rules


class Many(Protocol):
    """Scenes of one task, a lane each, whose time limits and ends are left to the fleet."""

    def begin(self, scenes: Sequence[int], begun: Sequence[Start]) -> None:
        """Begin episodes in these scenes."""
        ...

    def act(self, actions: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Execute an action in every scene, float32 [scenes, D]; return what each pays, and
        whether its task is achieved."""
        ...

    def observe(self, scenes: Sequence[int]) -> Sequence[Observation]:
        """Show these scenes."""
        ...

    def keeping(self, scenes: Sequence[int]) -> AbstractContextManager[None]:
        """Put these scenes back to where they were when the block ends."""
        ...

    def close(self) -> None:
        """Release them."""
        ...


@dataclass
class Episode:
    """What a lane plays."""

    task: str
    steps: int = 0
    success: bool = False
    is_over: bool = False


class Fleet:
    """Plays episodes; see `BatchSimulator` for the calls.

    `make` makes the scenes of a task, as many as there are lanes. Tasks that no lane plays are
    kept for later, as many as the rules spare.
    """

    def __init__(self, make: Callable[[str], Many], rules: Rules, lanes: int) -> None:
        self._make = make
        self._rules = rules
        self._lanes = lanes
        self._worlds: dict[str, Many] = {}
        self._episodes: dict[int, Episode] = {}

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin an episode in one lane."""
        return self.reset_batch([lane], [start])[0]

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Execute a chunk in one lane, float32 [C, D]."""
        return self.step_batch([lane], actions[None])[0]

    def reset_batch(self, lanes: Sequence[int], starts: Sequence[Start]) -> list[Observation]:
        """Begin an episode in each of these lanes."""
        for lane, start in zip(lanes, starts, strict=True):
            self._episodes[lane] = Episode(start.task)
        begun = dict(zip(lanes, starts, strict=True))
        shown: dict[int, Observation] = {}
        for task, members in self._by_task(lanes):
            world = self._world(task)
            with world.keeping(self._others(task, members)):
                world.begin(members, [begun[lane] for lane in members])
            shown.update(zip(members, world.observe(members), strict=True))
        return [shown[lane] for lane in lanes]

    def step_batch(self, lanes: Sequence[int], actions: NDArray[np.float32]) -> list[StepResult]:
        """Execute a chunk in each of these lanes, float32 [N, C, D], up to its episode's end."""
        for lane in lanes:
            if self._episodes[lane].is_over:
                raise RuntimeError(f"lane {lane} is at its episode's end; reset it first")
        size = self._rules.spec.action_dim
        if actions.shape[2:] != (size,) or not np.isfinite(actions).all():
            raise ValueError(f"actions must be finite and [N, C, {size}], got {actions}")
        chunks = dict(zip(lanes, actions, strict=True))
        results: dict[int, StepResult] = {}
        for task, members in self._by_task(lanes):
            world = self._worlds[task]
            with world.keeping(self._others(task, members)):
                found = self._advance(world, members, np.stack([chunks[one] for one in members]))
            results.update(zip(members, found, strict=True))
        return [results[lane] for lane in lanes]

    def close(self) -> None:
        """Release all scenes."""
        for world in self._worlds.values():
            world.close()
        self._worlds.clear()
        self._episodes.clear()

    def _by_task(self, lanes: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
        for task in dict.fromkeys(self._episodes[lane].task for lane in lanes):
            yield task, [lane for lane in lanes if self._episodes[lane].task == task]

    def _others(self, task: str, members: Sequence[int]) -> list[int]:
        """Return the lanes that are in the middle of another episode of the task."""
        named = {*members}
        return [
            lane
            for lane, one in self._episodes.items()
            if one.task == task and not one.is_over and lane not in named
        ]

    def _world(self, task: str) -> Many:
        world = self._worlds.pop(task, None) or self._make(task)
        played = {one.task for one in self._episodes.values()}
        idle = [name for name in self._worlds if name not in played]
        for name in idle[: max(0, len(idle) - self._rules.spare)]:
            self._worlds.pop(name).close()
        self._worlds[task] = world
        return world

    def _advance(
        self, world: Many, lanes: Sequence[int], actions: NDArray[np.float32]
    ) -> list[StepResult]:
        """Execute chunks in lanes of one world; they are drawn only where an episode ends, and at
        last."""
        chunk = actions.shape[1]
        reward = np.zeros((len(lanes), chunk), np.float32)
        terminated, truncated, valid = np.zeros((3, len(lanes), chunk), np.bool_)
        shown: dict[int, Observation] = {}
        for at in range(chunk):
            running = [row for row, lane in enumerate(lanes) if not self._episodes[lane].is_over]
            if not running:
                break
            paid, success = world.act(self._spread(lanes, actions[:, at]))
            for row in running:
                lane = lanes[row]
                valid[row, at] = True
                reward[row, at], terminated[row, at], truncated[row, at] = self._judged(
                    self._episodes[lane], float(paid[lane]), success=bool(success[lane])
                )
            ended = [lanes[row] for row in running if self._episodes[lanes[row]].is_over]
            shown.update(zip(ended, world.observe(ended), strict=True) if ended else ())
        rest = [lane for lane in lanes if lane not in shown]
        shown.update(zip(rest, world.observe(rest), strict=True) if rest else ())
        flags = zip(reward, terminated, truncated, valid, strict=True)
        return [
            StepResult(shown[lane], *row, self._episodes[lane].success)
            for lane, row in zip(lanes, flags, strict=True)
        ]

    def _spread(self, lanes: Sequence[int], actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return actions of some lanes, [N, D], as those of all: the others rest."""
        all_actions = np.zeros((self._lanes, actions.shape[1]), np.float32)
        all_actions[[*lanes]] = actions
        return all_actions

    def _judged(self, episode: Episode, paid: float, *, success: bool) -> tuple[float, bool, bool]:
        """Return the reward of an action, and whether it ends the episode by success or by time."""
        rules, is_first = self._rules, success and not episode.success
        episode.steps += 1
        episode.success |= success
        terminated = success and rules.ends
        truncated = not terminated and episode.steps >= rules.spec.max_steps
        episode.is_over = terminated or truncated
        return paid if rules.dense else float(is_first), terminated, truncated
