"""Environments of others beside their own loop: runs where they are, see `test_elsewhere`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rlvla.core.component import build
from rlvla.core.testing import check_simulator, check_starts
from rlvla.core.types import Start
from rlvla.plugins.simulators import opengl
from rlvla.plugins.simulators.gymnasium import Gymnasium

if TYPE_CHECKING:
    from numpy.typing import NDArray

if find_spec("gymnasium_robotics") is None:
    pytest.skip("needs gymnasium-robotics in this interpreter", allow_module_level=True)
if (platform := opengl.available()) is not None:
    opengl.claim(platform)  # before MuJoCo is imported
gymnasium: Any = import_module("gymnasium")
drawing = pytest.mark.skipif(platform is None, reason="no OpenGL draws on this machine")

REACH = "gymnasium_robotics:FetchReach-v4"
GOALS = ("achieved_goal", "desired_goal", "observation")
"""What it observes, in the order of its space."""
PUSHT = "gym_pusht/PushT-v0"
ALOHA = "gym_aloha/AlohaTransferCube-v0"
ON_ITS_MARK = [256.0 - 31.82, 256.0 - 13.18, np.pi / 4]
"""The block that PushT is told to begin with, so that it lies at (256, 256): it is put down first,
and then turned about its centre of mass."""


@pytest.mark.parametrize(
    "options",
    [
        {"env": REACH, "privileged": ["desired_goal"], "on_success": "end"},
        {"env": "gymnasium_robotics:FetchPickAndPlace-v4", "max_steps": 10},
        {"env": "gymnasium_robotics:FrankaKitchen-v1", "max_steps": 4},
        {"env": PUSHT, "max_steps": 10},
        {"env": PUSHT, "kwargs": {"obs_type": "environment_state_agent_pos"}, "max_steps": 10},
        {"env": PUSHT, "kwargs": {"obs_type": "pixels_agent_pos"}, "max_steps": 10},
    ],
)
def test_the_contract_is_kept(options: dict[str, Any]) -> None:
    check_simulator(build(Gymnasium, options), episodes=1)


@drawing
@pytest.mark.parametrize(
    "options",
    [
        {"env": REACH, "pixels": [32, 32], "kwargs": {"width": 32, "height": 32}, "max_steps": 4},
        {"env": ALOHA, "kwargs": {"obs_type": "pixels_agent_pos"}, "max_steps": 2},
    ],
)
def test_the_contract_is_kept_in_drawings(options: dict[str, Any]) -> None:
    check_simulator(build(Gymnasium, {**options, "render": "auto"}), episodes=1)


@pytest.mark.parametrize("env", [REACH, PUSHT])
def test_evaluation_starts_are_never_trained_on(env: str) -> None:
    check_starts(Gymnasium(env=env))


def test_what_is_observed_has_its_place() -> None:
    spec = Gymnasium(env=REACH, privileged=["desired_goal"]).spec
    assert (spec.proprio, spec.privileged, dict(spec.cameras)) == (13, 3, {})
    assert (spec.max_steps, spec.control_hz) == (50, 25)
    pixels = {"obs_type": "pixels_agent_pos"}
    spec = Gymnasium(env=PUSHT, kwargs=pixels).spec
    assert (spec.proprio, dict(spec.cameras)) == (2, {"pixels": (96, 96)})
    assert (spec.max_steps, spec.control_hz, spec.action_high) == (300, 10, (512, 512))


@drawing
def test_cameras_of_a_dict_in_a_dict_are_named_by_both() -> None:
    pixels = {"obs_type": "pixels_agent_pos"}
    spec = Gymnasium(env=ALOHA, kwargs=pixels, render="auto").spec
    assert (spec.proprio, dict(spec.cameras)) == (14, {"pixels.top": (480, 640)})
    assert (spec.action_dim, spec.control_hz) == (14, 50)


@pytest.mark.parametrize("env", [REACH, PUSHT])
def test_an_episode_is_the_one_that_the_environment_plays_itself(env: str) -> None:
    adapter = Gymnasium(env=env, max_steps=20)
    adapter.start(1)
    ours = [adapter.reset(0, Start(env, "eval", 3)).proprio]
    theirs: Any = gymnasium.make(env, max_episode_steps=20)
    observed, _ = theirs.reset(seed=_seed())
    expected = [_numbers(observed)]
    dice = np.random.default_rng(0)
    low, high = adapter.spec.action_low, adapter.spec.action_high
    cut = False
    while not cut:
        action: NDArray[np.float32] = dice.uniform(low, high).astype(np.float32)
        result = adapter.step(0, action[None])
        observed, reward, _, cut, told = theirs.step(action)
        ours.append(result.observation.proprio)
        expected.append(_numbers(observed))
        assert result.reward[0] == np.float32(reward)
        assert result.success == bool(told["is_success"])
        assert result.truncated[0] == cut
    np.testing.assert_array_equal(ours, expected)
    theirs.close()
    adapter.close()


def _seed() -> int:
    """Return the seed of the fourth start that is measured."""
    return int(np.random.SeedSequence((True, 0, 3)).generate_state(1)[0])


def _numbers(observed: Any) -> NDArray[np.float32]:  # noqa: ANN401
    parts: list[Any] = [observed[name] for name in GOALS] if len(observed) == 3 else [observed]
    return np.concatenate(parts, dtype=np.float32, casting="unsafe")


def test_a_hand_at_its_goal_is_a_success() -> None:
    reach = Gymnasium(env=REACH, on_success="end")
    reach.start(1)
    seen = reach.reset(0, Start(REACH, "eval", 0)).proprio
    success = False
    while not success:
        achieved, desired = seen[:3], seen[3:6]
        assert np.linalg.norm(desired - achieved) >= 0.05
        action = np.append(np.clip(10 * (desired - achieved), -1, 1), 0).astype(np.float32)
        result = reach.step(0, action[None])
        seen, success = result.observation.proprio, result.success
        assert success == result.terminated[0]
        assert not result.truncated[0]
    assert np.linalg.norm(seen[:3] - seen[3:6]) < 0.05
    reach.close()


def test_a_block_put_on_its_mark_is_a_success_at_once() -> None:
    at_goal = {"reset_to_state": [100.0, 100.0, *ON_ITS_MARK]}
    pusht = Gymnasium(env=PUSHT, reset_options=at_goal)
    pusht.start(1)
    pusht.reset(0, Start(PUSHT, "train", 0))
    result = pusht.step(0, np.full((3, 2), 100, np.float32))
    assert result.success
    assert result.terminated.tolist() == [True, False, False]
    assert result.reward.tolist() == [1, 0, 0]
    pusht.close()


def test_a_key_of_the_package_s_options_that_is_unknown_is_explained() -> None:
    with pytest.raises(ValueError, match=r"kwargs do not fit env .*: Unknown obs_type"):
        _ = Gymnasium(env=PUSHT, kwargs={"obs_type": "words"}).spec
