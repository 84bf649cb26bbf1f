"""The world of RoboCasa: a mobile arm in kitchens."""

from __future__ import annotations

import importlib
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvla.plugins.simulators.names import require_tasks
from rlvla.plugins.simulators.robocasa import package

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Split
    from rlvla.plugins.simulators.robocasa import Robocasa
    from rlvla.plugins.simulators.robosuite.scene import Shown

ROBOT = "PandaOmron"
SHOWN = (
    "robot0_base_to_eef_pos",
    "robot0_base_to_eef_quat",
    "robot0_gripper_qpos",
    "robot0_base_pos",
    "robot0_base_quat",
)
"""What the proprioception consists of."""

KITCHENS: dict[str, dict[str, Any]] = {
    "pretrain": {"layout_ids": -2, "style_ids": -2, "obj_instance_split": "pretrain"},
    "target": {
        "layout_and_style_ids": [(number, number) for number in range(1, 11)],
        "obj_instance_split": "target",
    },
}
"""Layouts, styles and objects of the package's splits, which have none in common."""


class Kitchen:
    """RoboCasa's tasks, see `robosuite.scene.World`."""

    def __init__(self, options: Robocasa) -> None:
        self._options = options
        self._robosuite = package.load()
        self._controllers: Any = importlib.import_module("robosuite.controllers")
        kitchens: Any = importlib.import_module("robocasa.environments.kitchen.kitchen")
        known: list[str] = [*kitchens.REGISTERED_KITCHEN_ENVS]
        require_tasks("task", options.tasks, known, of="RoboCasa")

    def make(self, task: str, split: Split, seed: int) -> Any:  # noqa: ANN401 - it has no types
        """Return an environment of a task in the kitchens of a split.

        Its reset draws the kitchen from the environment's own numbers; the shared ones are set,
        too, in case that something draws from them.
        """
        random.seed(seed)
        np.random.seed(seed % 2**32)
        options = self._options
        kitchens = options.trained if split == "train" else options.measured
        return self._robosuite.make(
            task,
            robots=ROBOT,
            controller_configs=self._controllers.load_composite_controller_config(
                controller=None, robot=ROBOT
            ),
            has_renderer=False,
            has_offscreen_renderer=False,
            use_camera_obs=False,
            ignore_done=True,
            seed=seed,
            **KITCHENS[kitchens],
        )

    def proprio(self, shown: Shown) -> NDArray[np.float32]:
        """Return where the hand is from the base, its fingers, and where the base is."""
        return np.concatenate([shown[name] for name in SHOWN]).astype(np.float32)

    def privileged(self, task: str, shown: Shown) -> NDArray[np.float32]:
        """Return nothing: how many objects there are differs from episode to episode."""
        del task, shown
        return np.zeros(0, np.float32)

    def instruction(self, task: str, env: Any) -> str:  # noqa: ANN401
        """Return what the package says of the episode."""
        del task
        return str(env.get_ep_meta()["lang"])
