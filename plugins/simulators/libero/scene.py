"""One environment of the package, drawn only when somebody looks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvla.core.types import Observation
from rlvla.plugins.simulators.libero import package
from rlvla.plugins.simulators.libero.states import read_states
from rlvla.plugins.simulators.libero.tasks import SETTLE, instruction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Start
    from rlvla.plugins.simulators.libero import Libero

REST = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0])
"""The action that keeps the arm where it is and the fingers open."""
ATTEMPTS = 100
"""So often objects are placed anew until none is in another."""
PUBLISHED_SEED = 0
"""Of what the published states leave open: where fixtures stand, which are no part of them."""


class Scene:
    """An environment of one task; see `stage.Scene` for the calls.

    The package would draw all cameras after each action, and when things settle; here they are
    drawn by a renderer of our own, so that it has none.
    """

    def __init__(self, options: Libero, environments: Any, task: str) -> None:  # noqa: ANN401
        self.task = task
        place = package.root()
        self._options = options
        self._states = read_states(place / "init_files" / options.suite / f"{task}.pruned_init")
        self._renderer: Any = None
        self._shown: Any = None
        wrapped = environments.ControlEnv(
            bddl_file_name=str(place / "bddl_files" / options.suite / f"{task}.bddl"),
            use_camera_obs=False,
            has_offscreen_renderer=False,
            ignore_done=True,
            hard_reset=False,
        )
        self._env: Any = wrapped.env

    def begin(self, start: Start) -> None:
        """Begin at a published state, or where the task's own sampler puts things."""
        is_measured = start.split == "eval"
        hard = self._options.hard_reset
        self._env.hard_reset = hard == "always" or (hard == "evaluation" and is_measured)
        np.random.seed(PUBLISHED_SEED if is_measured else _entropy(start))
        self._reset()
        if is_measured:
            self._env.sim.set_state_from_flattened(self._states[start.index % len(self._states)])
        self._env.sim.forward()
        self._env._check_success()
        self._env._post_process()
        self._env._update_observables(force=True)
        for _ in range(SETTLE):
            self._shown = self._env.step(REST)[0]

    def step(self, action: NDArray[np.float32]) -> tuple[float, bool]:
        """Execute an action."""
        self._shown, paid, success, _ = self._env.step(np.clip(action, -1.0, 1.0))
        return float(paid), bool(success)

    def observe(self) -> Observation:
        """Show hand and fingers, and what the cameras see."""
        shown = self._shown
        hand = (shown["robot0_eef_pos"], axis_angle(shown["robot0_eef_quat"]))
        return Observation(
            images={name: self._draw(name) for name in self._options.cameras},
            proprio=np.concatenate([*hand, shown["robot0_gripper_qpos"]]).astype(np.float32),
            instruction=instruction(self.task),
        )

    def state(self) -> NDArray[np.float64]:
        """Return the whole physical state, as the published ones are written."""
        return np.array(self._env.sim.get_state().flatten())

    def close(self) -> None:
        """Release it."""
        self._forget()
        self._env.close()

    def _reset(self) -> None:
        if self._env.hard_reset:
            self._forget()  # of the model that is about to be compiled anew
        clash = importlib.import_module("robosuite.utils.errors").RandomizationError
        for _ in range(ATTEMPTS):
            try:
                self._env.reset()
            except clash:
                continue
            return
        raise RuntimeError(f"no room for the objects of {self.task} in {ATTEMPTS} attempts")

    def _forget(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _draw(self, camera: str) -> NDArray[np.uint8]:
        mujoco, sim = importlib.import_module("mujoco"), self._env.sim
        if self._renderer is None:
            self._renderer = self._made(mujoco, sim.model._model)
            self._look = mujoco.MjvOption()
            self._look.geomgroup[0] = 0  # what collides, as the package hides it
        self._renderer.update_scene(sim.data._data, camera, self._look)
        image: NDArray[np.uint8] = self._renderer.render()
        return np.ascontiguousarray(image[:, ::-1]) if self._options.mirrored else image

    def _made(self, mujoco: Any, model: Any) -> Any:  # noqa: ANN401
        size = self._options.size
        if not self._options.shadows:
            model.vis.quality.shadowsize = 0
            model.vis.quality.offsamples = 0
        room = model.vis.global_
        room.offwidth, room.offheight = max(room.offwidth, size), max(room.offheight, size)
        return mujoco.Renderer(model, size, size)


def axis_angle(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation vector, in radians, of a unit quaternion [x, y, z, w]."""
    w = float(np.clip(quaternion[3], -1.0, 1.0))
    length = np.sqrt(1.0 - w * w)
    if np.isclose(length, 0.0):
        return np.zeros(3)
    return np.asarray(quaternion[:3] * 2.0 * np.arccos(w) / length)


def _entropy(start: Start) -> list[int]:
    """Return the seed of a training start: all of it is spelt out."""
    text = f"libero 1 {start.split} {start.seed} {start.index} {start.task}"
    return [*map(int, np.random.SeedSequence(list(text.encode())).generate_state(8))]
