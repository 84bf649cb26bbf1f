"""One environment of the package, with what draws it and the policy scripted for it."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.plugins.simulators.metaworld import Metaworld

UPSIDE_DOWN = frozenset({"corner", "corner2", "corner3", "corner4"})
"""Cameras that the package mounts upside down."""


class Scene:
    """An environment of one task, fully observable, whose time limit is left to the caller."""

    def __init__(self, options: Metaworld, task: str) -> None:
        environments = importlib.import_module("metaworld.env_dict").ALL_V3_ENVIRONMENTS
        self.task = task
        self._options = options
        self._env: Any = environments[task]()
        self._policy: Any = None
        self._renderer: Any = None
        self._free()
        self._quicken()

    def draw(self, random: np.random.Generator) -> NDArray[np.float64]:
        """Return where `random` puts the goal and the objects, as the package's vector of both."""
        self._env.np_random = random
        self._env._freeze_rand_vec = False
        self._env.reset_model()  # which draws again while things are too near to each other
        return np.array(self._env._last_rand_vec)

    def place(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Begin an episode with the goal and the objects there; return the state.

        A reset of the package places them twice and shows what is in between, so that it must
        not draw them twice: its own tasks, too, are drawn first.
        """
        self._env._freeze_rand_vec = True
        self._env._last_rand_vec = vector
        state: NDArray[np.float64] = self._env.reset()[0]
        return state

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float64], float, bool]:
        """Execute an action; return the state, what the package pays, and whether it succeeded."""
        state, reward, _, _, told = self._env.step(action)
        if self._env._did_see_sim_exception:
            raise RuntimeError(f"the physics of {self.task} became unstable")
        return state, float(reward), bool(told["success"])

    def images(self) -> dict[str, NDArray[np.uint8]]:
        """Draw what each camera sees, uint8 [size, size, 3]."""
        return {name: self._draw(name) for name in self._options.shown_cameras}

    def expert(self, state: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return what the scripted policy does in `state`, float32 [4]."""
        if self._policy is None:
            policies = importlib.import_module("metaworld.policies").ENV_POLICY_MAP
            self._policy = policies[self.task]()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says so when it leaves the bounds
            action = self._policy.get_action(state)
        return np.asarray(np.clip(action, -1.0, 1.0), np.float32)

    def close(self) -> None:
        """Release it."""
        if self._renderer is not None:
            self._renderer.close()
        self._env.close()

    def _free(self) -> None:
        """Let resets draw from the environment's own random numbers, and states show the goal."""
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
            mujoco = importlib.import_module("mujoco")
            self._renderer = mujoco.Renderer(
                self._env.model, self._options.size, self._options.size
            )
        self._renderer.update_scene(self._env.data, camera)
        image: NDArray[np.uint8] = self._renderer.render()
        return np.ascontiguousarray(image[::-1, ::-1]) if camera in UPSIDE_DOWN else image
