"""One environment of the package, with what draws it and the policy scripted for it."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvla.core.types import Observation
from rlvla.plugins.simulators.metaworld.starts import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Start
    from rlvla.plugins.simulators.metaworld import Metaworld

HAND = 4
"""Numbers of the hand's own state: its position in metres, and its opening from 0 to 1."""
STATE = 39
"""Numbers of the whole state, the hand's first and the goal's position last."""
GOAL = 3
"""Numbers of the goal's position, the last of the whole state."""

UPSIDE_DOWN = frozenset({"corner", "corner2", "corner3", "corner4"})
"""Cameras that the package mounts upside down."""


class Scene:
    """An environment of one task, fully observable; see `stage.Scene` for the calls."""

    def __init__(self, options: Metaworld, task: str) -> None:
        environments = importlib.import_module("metaworld.env_dict").ALL_V3_ENVIRONMENTS
        self.task = task
        self.vector: NDArray[np.float64] = np.zeros(0)
        """Where the goal and the objects of the episode were placed."""
        self.state: NDArray[np.float64] = np.zeros(0)
        """The package's numbers for where things are now, [39]."""
        self._options = options
        self._env: Any = environments[task]()
        self._policy: Any = None
        self._renderer: Any = None
        self._free()
        self._quicken()

    def begin(self, start: Start) -> None:
        """Begin the episode of `start`."""
        self._env.np_random = generator(start)
        self._env._freeze_rand_vec = False
        self._env.reset_model()  # which draws again while things are too near to each other
        self.place(np.array(self._env._last_rand_vec))

    def place(self, vector: NDArray[np.float64]) -> None:
        """Begin an episode with the goal and the objects at the package's vector of both.

        A reset of the package places them twice and shows what is in between, so that it must
        not draw them twice: its own tasks, too, are drawn first.
        """
        self._env._freeze_rand_vec = True
        self._env._last_rand_vec = self.vector = vector
        self.state = self._env.reset()[0]

    def step(self, action: NDArray[np.float32]) -> tuple[float, bool]:
        """Execute an action."""
        self.state, paid, _, _, told = self._env.step(np.clip(action, -1.0, 1.0))
        if self._env._did_see_sim_exception:
            raise RuntimeError(f"the physics of {self.task} became unstable")
        return float(paid), bool(told["success"])

    def observe(self) -> Observation:
        """Show the hand, or all numbers, and what the cameras see."""
        options, state = self._options, self.state.astype(np.float32)
        proprio = state[:HAND].copy()
        if options.observation == "state":
            proprio = state.copy()
            proprio[-GOAL:] *= options.goal == "shown"
        return Observation(
            images={name: self._draw(name) for name in options.shown_cameras},
            proprio=proprio,
            instruction=options.instruction(self.task),
            privileged=np.concatenate([state, self._which()]),
        )

    def expert(self) -> NDArray[np.float32]:
        """Return what the scripted policy does now, float32 [4]."""
        if self._policy is None:
            policies = importlib.import_module("metaworld.policies").ENV_POLICY_MAP
            self._policy = policies[self.task]()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says so when it leaves the bounds
            action = self._policy.get_action(self.state)
        return np.asarray(np.clip(action, -1.0, 1.0), np.float32)

    def close(self) -> None:
        """Release it."""
        if self._renderer is not None:
            self._renderer.close()
        self._env.close()

    def _free(self) -> None:
        """Let placing draw from the environment's own random numbers, and states show the goal."""
        env = self._env
        env._set_task_called = True
        env.seeded_rand_vec = True
        env._partially_observable = False
        vars(env).pop("sawyer_observation_space", None)  # which was cached without the goal

    def _quicken(self) -> None:
        model, options = self._env.model, self._options
        if not options.shadows:
            model.vis.quality.shadowsize = 0
            model.vis.quality.offsamples = 0
        room = model.vis.global_
        room.offwidth = max(room.offwidth, options.size)
        room.offheight = max(room.offheight, options.size)

    def _draw(self, camera: str) -> NDArray[np.uint8]:
        if self._renderer is None:
            mujoco, size = importlib.import_module("mujoco"), self._options.size
            self._renderer = mujoco.Renderer(self._env.model, size, size)
        self._renderer.update_scene(self._env.data, camera)
        image: NDArray[np.uint8] = self._renderer.render()
        return np.ascontiguousarray(image[::-1, ::-1]) if camera in UPSIDE_DOWN else image

    def _which(self) -> NDArray[np.float32]:
        """Return which of several tasks it is, one-hot; zeros for one that is only measured."""
        tasks = self._options.tasks
        one_hot = [float(task == self.task) for task in tasks] if len(tasks) > 1 else []
        return np.array(one_hot, np.float32)
