from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from rlvla.plugins.simulators.maniskill.held import Held

SCENES = 4


class Package:
    """What `Held` asks of an environment of the package: rows of bodies, arms and notes."""

    num_envs = SCENES

    def __init__(self) -> None:
        self.bodies = torch.arange(SCENES * 13.0).reshape(SCENES, 13)
        self.targets = torch.zeros(SCENES, 7)
        self.held_for = torch.zeros(SCENES, dtype=torch.int32)
        self.stats = {"grasped": torch.zeros(SCENES, dtype=torch.bool), "mean": torch.zeros(1)}
        self.goal = torch.zeros(3)
        self._last_obs = {"image": torch.zeros(SCENES, 8, 8, 3)}
        self.agent = SimpleNamespace(
            get_controller_state=lambda: {"arm": {"target_qpos": self.targets}},
            set_controller_state=self._aim,
        )

    def get_state_dict(self) -> dict[str, Any]:
        return {"actors": {"cube": self.bodies.clone()}}

    def set_state_dict(self, state: dict[str, Any], rows: torch.Tensor) -> None:
        assert len(state["actors"]["cube"]) == len(rows), "as the package wants it"
        self.bodies[rows] = state["actors"]["cube"]

    def go_on(self) -> None:
        self.bodies += 1
        self.targets = self.targets + 1
        self.held_for = self.held_for + 1  # as tasks do: a tensor of its own each time
        self.stats["grasped"] |= True
        self.goal += 1
        self._last_obs["image"] += 1

    def _aim(self, state: dict[str, Any]) -> None:
        self.targets = state["arm"]["target_qpos"]


def test_scenes_that_are_held_come_back_and_the_others_go_on() -> None:
    package, rows = Package(), torch.tensor([2, 0])
    before = package.bodies.clone()
    held = Held(package, rows)
    package.go_on()
    held.put_back()
    moved = torch.tensor([0.0, 1.0, 0.0, 1.0])
    assert torch.equal(package.bodies - before, moved[:, None].expand(SCENES, 13))
    assert torch.equal(package.targets, moved[:, None].expand(SCENES, 7))
    assert package.held_for.tolist() == package.stats["grasped"].tolist() == [0, 1, 0, 1]


def test_what_has_no_row_for_each_scene_is_left_alone() -> None:
    package = Package()
    held = Held(package, torch.tensor([1]))
    package.go_on()
    held.put_back()
    assert package.goal.tolist() == [1.0, 1.0, 1.0]
    assert vars(package)["_last_obs"]["image"].min() == 1, "pictures are drawn anew anyway"
