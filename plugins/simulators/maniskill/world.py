"""An environment of the package: one or many scenes of a task, drawn only when somebody looks."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvla.core.types import Observation
from rlvla.plugins.simulators.maniskill import package, starts
from rlvla.plugins.simulators.maniskill.held import Held
from rlvla.plugins.simulators.maniskill.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from rlvla.core.types import Array, Start
    from rlvla.plugins.simulators.maniskill import ManiSkill

STAGES = {"is_src_obj_grasped": 0.1, "consecutive_grasp": 0.1}
"""What the dense reward of a task without one of its own pays for; RL4VLA, arXiv 2505.19789."""


class World:
    """`scenes` scenes of `task`, which are numbered from 0 and always stepped together."""

    def __init__(self, options: ManiSkill, task: str, scenes: int) -> None:
        self.task = task
        self._options = options
        self._known = TASKS[task]
        self._torch = importlib.import_module("torch")
        self._env: Any = package.make(options, task, scenes)
        self._scenes = scenes
        self._info: Any = {}
        self._staged = np.zeros(scenes, np.float32)

    def begin(self, scenes: Sequence[int], begun: Sequence[Start]) -> None:
        """Begin an episode in each of these scenes; the others may be moved."""
        with self._blind():
            if self._known.trials == "seeds":
                # One after the other: the package draws all that it resets from one seed.
                for scene, start in zip(scenes, begun, strict=True):
                    self._reset([scene], seed=starts.seed(start))
            else:
                numbers = [self._number(start) for start in begun]
                self._reset(scenes, numbers=numbers)
        self._staged[[*scenes]] = 0.0

    def act(self, actions: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Execute an action in every scene, float32 [scenes, D]; return what each pays, float32,
        and whether its task is achieved."""
        clipped = np.clip(actions, self._options.spec.action_low, self._options.spec.action_high)
        with self._blind():
            _, paid, _, _, self._info = self._env.step(self._tensor(clipped.astype(np.float32)))
        success = _numpy(self._info["success"]).astype(bool)
        return _numpy(paid) if self._known.state else self._staged_by(success), success

    def observe(self, scenes: Sequence[int]) -> list[Observation]:
        """Show these scenes as they are now."""
        options, seen = self._options, self._env.get_obs(self._info)
        images = {
            name: _numpy(seen["sensor_data"][name]["rgb"]).astype(np.uint8, copy=False)
            for name in options.shown_cameras
        }
        told, state = self._told(), self._state(seen)
        if options.observation == "state":
            proprio = state[:, : options.state]
        else:
            proprio = _numpy(self._env.agent.robot.get_qpos()).astype(np.float32, copy=False)
        return [
            Observation(
                {name: one[at] for name, one in images.items()}, proprio[at], told[at], state[at]
            )
            for at in scenes
        ]

    @contextmanager
    def keeping(self, scenes: Sequence[int]) -> Generator[None]:
        """Put these scenes back to where they were when the block ends."""
        held = Held(self._env, self._tensor([*scenes])) if scenes else None
        staged = self._staged.copy()
        yield
        if held is not None:
            held.put_back()
            self._staged[[*scenes]] = staged[[*scenes]]

    def close(self) -> None:
        """Release it."""
        self._env.close()

    @contextmanager
    def _blind(self) -> Generator[None]:
        """Let the package draw nothing, which it would do after each action."""
        self._env.get_obs = _nothing
        try:
            yield
        finally:
            del self._env.get_obs

    def _reset(
        self, scenes: Sequence[int], *, seed: int = 0, numbers: Sequence[int] | None = None
    ) -> None:
        options = {"env_idx": self._tensor([*scenes])}
        if numbers is not None:
            options["episode_id"] = self._tensor(numbers)
        _, self._info = self._env.reset(seed=[seed] * self._scenes, options=options)

    def _number(self, start: Start) -> int:
        if self._known.trials == "published":
            return starts.published(start)
        return starts.number(start, self._env.total_num_trials)

    def _staged_by(self, success: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return what the stages that were reached since the last action pay."""
        reached = np.zeros(self._scenes, np.float32)
        for name, worth in STAGES.items():
            reached += worth * _numpy(self._info[name])
        reached += success & _numpy(self._info["is_src_obj_grasped"])
        paid, self._staged = reached - self._staged, reached
        return paid

    def _told(self) -> list[str]:
        said = self._options.instruction(self.task)
        if said is not None:
            return [said] * self._scenes
        told: list[str] = self._env.get_language_instruction()
        return told

    def _state(self, seen: Any) -> NDArray[np.float32]:  # noqa: ANN401
        """Return the package's state of every scene, padded to the longest, and which of several
        tasks it is, one-hot."""
        options, tasks = self._options, self._options.tasks
        state = np.zeros((self._scenes, options.spec.privileged), np.float32)
        if self._known.state:
            flat = importlib.import_module("mani_skill.utils.common").flatten_state_dict
            own = flat({"agent": seen["agent"], "extra": seen["extra"]}, use_torch=True)
            state[:, : options.state_of(self.task)] = _numpy(own)
            if len(tasks) > 1 and self.task in tasks:
                state[:, options.state + tasks.index(self.task)] = 1.0
        return state

    def _tensor(self, values: object) -> Any:  # noqa: ANN401
        return self._torch.as_tensor(values, device=self._env.device)


def _nothing(*_: object, **__: object) -> dict[str, Any]:
    return {}


def _numpy(values: Any) -> Array:  # noqa: ANN401 - a tensor on any device
    array: Array = values.detach().cpu().numpy()
    return array
