"""The world of robosuite itself: robots at a table."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvla.plugins.simulators.robosuite import package
from rlvla.plugins.simulators.robosuite.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from rlvla.core.types import Split
    from rlvla.plugins.simulators.robosuite import Robosuite
    from rlvla.plugins.simulators.robosuite.scene import Shown

ALONE = {
    "SquareNut": "NutAssemblySquare",
    "RoundNut": "NutAssemblyRound",
    "Milk": "PickPlaceMilk",
    "Bread": "PickPlaceBread",
    "Cereal": "PickPlaceCereal",
    "Can": "PickPlaceCan",
}
"""The task with the one thing that was drawn."""


class Dice(np.random.Generator):
    """Random numbers that choose among names in their order.

    The package chooses from a set, whose order is another in every process.
    """

    def choice(self, names: Iterable[str]) -> str:  # type: ignore[override]  # all that it is asked
        """Return one of the names."""
        return str(super().choice(sorted(names)))


class Tabletop:
    """Robosuite's tasks, see `scene.World`."""

    def __init__(self, options: Robosuite) -> None:
        self._options = options
        self._package = package.load()
        self._rotation: Any = importlib.import_module("robosuite.utils.transform_utils")

    def make(self, task: str, split: Split, seed: int) -> Any:  # noqa: ANN401 - it has no types
        """Return an environment of a task, which is the same for both splits."""
        del split
        options = self._options
        env = self._package.make(
            task,
            robots=[options.robot] * options.arms,
            has_renderer=False,
            has_offscreen_renderer=False,
            use_camera_obs=False,
            hard_reset=False,
            ignore_done=True,
            reward_shaping=options.reward == "dense",
            control_freq=options.control_hz,
            seed=seed,
        )
        if task.endswith("Single"):
            env.rng = Dice(env.rng.bit_generator)
        return env

    def proprio(self, shown: Shown) -> NDArray[np.float32]:
        """Return the hands, then the objects if they are asked for."""
        seen = self._hands(shown)
        if self._options.observation == "state":
            seen += self._objects(shown)
        return np.concatenate(seen).astype(np.float32)

    def privileged(self, task: str, shown: Shown) -> NDArray[np.float32]:
        """Return hands, objects, and which of several tasks it is, one-hot."""
        tasks = self._options.tasks
        which = [float(one == task) for one in tasks] if len(tasks) > 1 else []
        return np.concatenate(
            [*self._hands(shown), *self._objects(shown), np.array(which)], dtype=np.float32
        )

    def instruction(self, task: str, env: Any) -> str:  # noqa: ANN401
        """Return what is said of the task, or of that with the thing that was drawn."""
        told = ALONE[env.obj_to_use] if task.endswith("Single") else task
        taught = self._options.instructions
        return taught.get(task, taught.get(told, TASKS[told].words))

    def _hands(self, shown: Shown) -> list[NDArray[np.float64]]:
        parts = list[Any]()
        for arm in range(self._options.arms):
            name = f"robot{arm}"
            turned = self._rotation.quat2axisangle(shown[f"{name}_eef_quat"])
            fingers = shown.get(f"{name}_gripper_qpos", np.zeros(0))
            parts += [shown[f"{name}_eef_pos"], turned, fingers]
        return parts

    def _objects(self, shown: Shown) -> list[NDArray[np.float64]]:
        """Return what is told of objects, and zeros in the place of those that others have."""
        told = shown["object-state"]
        return [told, np.zeros(self._options.objects - len(told))]
