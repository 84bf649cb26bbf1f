"""The live simulator: an episode for each lane, in scenes that lanes take over from each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.types import Observation, StepResult
from rlvla.plugins.simulators.metaworld import HAND, package
from rlvla.plugins.simulators.metaworld.scene import Scene
from rlvla.plugins.simulators.metaworld.starts import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Start
    from rlvla.plugins.simulators.metaworld import Metaworld


@dataclass
class Episode:
    """What a lane plays."""

    scene: Scene
    vector: NDArray[np.float64]
    """Where the goal and the objects were placed."""
    state: NDArray[np.float64]
    steps: int = 0
    success: bool = False
    is_over: bool = False


class Lanes:
    """Plays episodes; see `Simulator` for the calls."""

    def __init__(self, options: Metaworld, lanes: int) -> None:
        del lanes  # each makes its scene when it begins
        package.prepare(options)
        self._options = options
        self._places = {task: at for at, task in enumerate(options.tasks)}
        self._episodes: dict[int, Episode] = {}
        self._spare: list[Scene] = []

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin the episode of `start`."""
        if lane in self._episodes:
            self._spare.append(self._episodes.pop(lane).scene)
        scene = self._scene(start.task)
        while len(self._spare) > self._options.spare:
            self._spare.pop(0).close()
        return self._begin(lane, scene, scene.draw(generator(start)))

    def place(self, lane: int, vector: NDArray[np.float64]) -> Observation:
        """Begin an episode of the lane's present task, with the goal and objects at `vector`."""
        return self._begin(lane, self._episodes[lane].scene, vector)

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Execute `actions`, float32 [C, 4], up to the episode's end."""
        episode = self._episodes[lane]
        if episode.is_over:
            raise RuntimeError(f"lane {lane} is at its episode's end; reset it first")
        if actions.shape[1:] != (4,) or not np.isfinite(actions).all():
            raise ValueError(f"actions must be finite and [C, 4], got {actions.tolist()}")
        reward = np.zeros(len(actions), np.float32)
        terminated, truncated, valid = np.zeros((3, len(actions)), np.bool_)
        for at, action in enumerate(actions):
            valid[at] = True
            reward[at], terminated[at] = self._advance(episode, action)
            truncated[at] = not terminated[at] and episode.steps >= self._options.limit
            if terminated[at] or truncated[at]:
                episode.is_over = True
                break
        seen = self._observe(episode)
        return StepResult(seen, reward, terminated, truncated, valid, episode.success)

    def expert(self, lane: int) -> NDArray[np.float32]:
        """Return what the scripted policy does next, float32 [4]."""
        episode = self._episodes[lane]
        return episode.scene.expert(episode.state)

    def close(self) -> None:
        """Release all scenes."""
        for scene in [*self._spare, *(one.scene for one in self._episodes.values())]:
            scene.close()
        self._spare.clear()
        self._episodes.clear()

    def vector(self, lane: int) -> NDArray[np.float64]:
        """Return where the goal and the objects of the lane's episode were placed."""
        return self._episodes[lane].vector

    def state(self, lane: int) -> NDArray[np.float64]:
        """Return the package's numbers for where things are now, float64 [39]."""
        return self._episodes[lane].state

    def _begin(self, lane: int, scene: Scene, vector: NDArray[np.float64]) -> Observation:
        self._episodes[lane] = Episode(scene, vector, scene.place(vector))
        return self._observe(self._episodes[lane])

    def _scene(self, task: str) -> Scene:
        """Return a scene of this task that no lane plays, the latest that was given back."""
        for at in reversed(range(len(self._spare))):
            if self._spare[at].task == task:
                return self._spare.pop(at)
        return Scene(self._options, task)

    def _advance(self, episode: Episode, action: NDArray[np.float32]) -> tuple[float, bool]:
        """Execute one action; return its reward and whether it ends the episode by success."""
        episode.state, paid, success = episode.scene.step(np.clip(action, -1.0, 1.0))
        is_first = success and not episode.success
        episode.steps += 1
        episode.success |= success
        reward = paid if self._options.reward == "dense" else float(is_first)
        return reward, success and self._options.on_success == "end"

    def _observe(self, episode: Episode) -> Observation:
        options, task = self._options, episode.scene.task
        state = episode.state.astype(np.float32)
        proprio = state[:HAND].copy()
        if options.observation == "state":
            proprio = state.copy()
            proprio[-3:] *= options.goal == "shown"
        return Observation(
            images=episode.scene.images(),
            proprio=proprio,
            instruction=options.instruction(task),
            privileged=np.concatenate([state, self._which(task)]),
        )

    def _which(self, task: str) -> NDArray[np.float32]:
        """Return which of several tasks it is, one-hot; zeros for one that is only measured."""
        which = np.zeros(len(self._places) if len(self._places) > 1 else 0, np.float32)
        if len(which) and task in self._places:
            which[self._places[task]] = 1.0
        return which
