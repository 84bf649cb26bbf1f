"""The adapter beside the package: runs where the package is and Vulkan draws."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from rlvla.core.testing import check_simulator, check_starts
from rlvla.core.types import Start
from rlvla.plugins.simulators.maniskill import ManiSkill, package, starts
from rlvla.plugins.simulators.maniskill.tasks import BASIC, PANDA

if find_spec("mani_skill") is None:
    pytest.skip("needs the package mani_skill in this interpreter", allow_module_level=True)
try:
    package.check_device("cpu")
except RuntimeError as error:
    pytest.skip(str(error), allow_module_level=True)


def _actions(steps: int, size: int = 7) -> Any:  # noqa: ANN401
    return np.random.default_rng(0).uniform(-1, 1, (steps, size)).astype(np.float32)


def _own_loop(task: str, seed: int, actions: Any) -> list[Any]:  # noqa: ANN401
    """Return what the package's own loop shows and pays, in its own mode of observation."""
    import_module("mani_skill.envs")
    env = import_module("gymnasium").make(
        task,
        obs_mode="state",
        reward_mode="normalized_dense",
        control_mode="pd_ee_delta_pose",
        robot_uids="panda",
        sim_backend="physx_cpu",
        render_backend="cpu",
    )
    shown, _ = env.reset(seed=seed)
    rows: list[Any] = [(shown[0].numpy(), 0.0, False)]
    for action in actions:
        shown, paid, terminated, _, _ = env.step(action)
        rows.append((shown[0].numpy(), float(paid), bool(terminated)))
    env.close()
    return rows


@pytest.mark.parametrize("task", ["PickCube-v1", "StackCube-v1", "RollBall-v1"])
def test_an_episode_is_the_one_that_the_package_plays(task: str) -> None:
    """State for state and reward for reward, though nothing is drawn on the way."""
    adapter, start = (
        ManiSkill(task=task, reward="dense", on_success="continue"),
        Start(task, "eval", 3),
    )
    adapter.start(1)
    theirs = _own_loop(task, starts.seed(start), _actions(20))
    shown = adapter.reset(0, start)
    for action, (state, _, _), (_, paid, success) in zip(
        _actions(20), theirs[:-1], theirs[1:], strict=True
    ):
        np.testing.assert_array_equal(shown.privileged, state)
        np.testing.assert_array_equal(shown.proprio, state[:9])
        result = adapter.step(0, action[None])
        assert (result.reward[0], result.success) == (np.float32(paid), success)
        shown = result.observation
    adapter.close()


@pytest.mark.parametrize("task", BASIC)
def test_every_task_is_as_its_table_says(task: str) -> None:
    adapter = ManiSkill(task=task, size=16)
    adapter.start(1)
    registered: Any = import_module("mani_skill.utils.registration").REGISTERED_ENVS[task]
    assert registered.max_episode_steps == adapter.spec.max_steps
    env: Any = adapter.live
    shown = adapter.reset(0, Start(task, "train", 0))
    scene: Any = env.scene(0)
    assert scene._world._env.control_freq == adapter.spec.control_hz
    assert shown.privileged.shape == (BASIC[task].state,)
    assert ("normalized_dense" in scene._world._env.SUPPORTED_REWARD_MODES) == BASIC[task].pays
    adapter.close()


@pytest.mark.parametrize("control", PANDA.controls)
def test_every_control_takes_what_its_table_says(control: str) -> None:
    adapter = ManiSkill(control=control, observation="state")
    adapter.start(1)
    before = adapter.reset(0, Start("PickCube-v1", "train", 0)).proprio
    after = adapter.step(0, _actions(2, adapter.spec.action_dim)).observation.proprio
    assert np.abs(after - before).max() > 1e-3
    adapter.close()


def test_a_chunk_shows_what_its_last_action_leaves_as_actions_one_by_one_do() -> None:
    adapter = ManiSkill(cameras=["base_camera", "hand_camera"], size=32)
    adapter.start(2)
    start = Start("PickCube-v1", "train", 1)
    adapter.reset(0, start)
    adapter.reset(1, start)
    whole = adapter.step(0, _actions(4)).observation
    single = [adapter.step(1, action[None]).observation for action in _actions(4)][-1]
    for name, image in whole.images.items():
        np.testing.assert_array_equal(image, single.images[name])
        assert image.std() > 10, "a picture of something"
    adapter.close()


def test_the_goal_is_drawn() -> None:
    adapter = ManiSkill(size=64)
    adapter.start(1)
    image = adapter.reset(0, Start("PickCube-v1", "eval", 0)).images["base_camera"].astype(int)
    green = (image[..., 1] > image[..., 0] + 60) & (image[..., 1] > image[..., 2] + 60)
    assert green.any()
    adapter.close()


@pytest.mark.parametrize(
    "options",
    [{"size": 16}, {"task": ["PushCube-v1", "PegInsertionSide-v1"], "observation": "state"}],
)
def test_the_contract_is_kept(options: dict[str, Any]) -> None:
    check_simulator(ManiSkill(max_steps=4, **options), episodes=1)


def test_what_is_measured_is_never_trained_on() -> None:
    check_starts(ManiSkill(observation="state"))


def test_a_task_that_nobody_registered_is_told() -> None:
    options = ManiSkill(task="PutOnPlateInScene25Main-v3")
    import_module("mani_skill.envs")
    with pytest.raises(RuntimeError, match=r"no PutOnPlateInScene25Main-v3; name the modules"):
        package.make(options, "PutOnPlateInScene25Main-v3", 1)
