"""The adapter beside the package: runs where the package is."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from rlvla.core.testing import check_simulator, check_starts
from rlvla.core.types import Start
from rlvla.plugins.simulators.envpool import EnvPool
from rlvla.plugins.simulators.envpool.pools import seed

if find_spec("envpool") is None:
    pytest.skip("needs the package envpool in this interpreter", allow_module_level=True)

REACH = "MetaWorld/Reach-v3"
SEEN = {"partially_observable": False}
"""Meta-World then shows the goal, in the last three of its 39 numbers."""


def _actions(steps: int, size: int) -> Any:  # noqa: ANN401
    return np.random.default_rng(0).uniform(-1, 1, (steps, size)).astype(np.float32)


@pytest.mark.parametrize(
    ("env", "size"), [(REACH, 4), ("HalfCheetah-v5", 6), ("Ant-v5", 8), ("Hopper-v5", 3)]
)
def test_an_episode_is_the_one_that_the_package_plays(env: str, size: int) -> None:
    start, actions = Start(env, "train", 2, 5), _actions(30, size)
    theirs: Any = import_module("envpool").make_gymnasium(
        env, num_envs=1, seed=seed(start), num_threads=1
    )
    shown = theirs.reset()[0]
    adapter = EnvPool(env, on_success="continue")
    adapter.start(1)
    ours = adapter.reset(0, start)
    for action in actions:
        np.testing.assert_array_equal(ours.proprio, shown[0].astype(np.float32))
        result = adapter.step(0, action[None])
        kind = theirs.action_space.dtype
        shown, reward, terminated, _, _ = theirs.step(action[None].astype(kind))
        assert result.reward[0] == np.float32(reward[0])
        assert result.terminated[0] == terminated[0]
        if terminated[0]:
            break
        ours = result.observation
    adapter.close()


@pytest.mark.parametrize("env", [REACH, "HalfCheetah-v5", "FetchReach-v4"])
def test_the_contract_is_kept(env: str) -> None:
    check_simulator(EnvPool(env, max_steps=10), episodes=1)


@pytest.mark.parametrize("env", ["MetaWorld/PickPlace-v3", "HalfCheetah-v5"])
def test_what_is_measured_is_never_trained_on(env: str) -> None:
    check_starts(EnvPool(env))


def test_a_success_is_told_and_ends_the_episode() -> None:
    adapter = EnvPool(REACH, kwargs=SEEN)
    adapter.start(1)
    shown = adapter.reset(0, Start(REACH, "eval", 0))
    success = False
    while not success:  # or the time limit refuses another action
        way = 10 * (shown.proprio[-3:] - shown.proprio[:3])
        result = adapter.step(0, np.array([[*way, 0.0]], np.float32))
        shown, success = result.observation, result.success
        assert result.terminated[-1] == success
    with pytest.raises(RuntimeError, match="lane 0 is at its episode's end"):
        adapter.step(0, np.zeros((1, 4), np.float32))
    adapter.close()


def test_no_step_is_a_disguised_reset() -> None:
    """A chunk over the time limit shows the last state, not the first of EnvPool's next episode."""
    adapter = EnvPool("HalfCheetah-v5", max_steps=5)
    adapter.start(2)
    start = Start("HalfCheetah-v5", "train", 0)
    adapter.reset_batch([0, 1], [start, start])
    actions = np.stack([_actions(8, 6)] * 2)
    cut = adapter.step_batch([0, 1], actions)
    assert [one.valid.tolist() for one in cut] == [[True] * 5 + [False] * 3] * 2
    assert all(one.truncated[4] for one in cut)
    adapter.reset(0, start)
    single = [adapter.step(0, action[None]) for action in actions[0, :5]][-1]
    np.testing.assert_array_equal(single.observation.proprio, cut[0].observation.proprio)
    adapter.close()


def test_what_an_environment_shows_by_name_is_flattened() -> None:
    adapter = EnvPool("FetchReach-v4")
    assert (adapter.spec.proprio, adapter.spec.action_dim) == (3 + 3 + 10, 4)


@pytest.mark.parametrize(
    ("env", "kwargs", "message"),
    [
        ("Nothing-v0", {}, "EnvPool has no environment 'Nothing-v0'"),
        ("CartPole-v1", {}, "must take a bounded vector of numbers, it takes Discrete"),
        ("CarRacing-v3", {}, "shows images, of which envpool takes only states"),
        ("HalfCheetah-v5", {"colour": 1}, "kwargs do not fit env 'HalfCheetah-v5'"),
    ],
)
def test_an_environment_that_is_not_taken_is_told(
    env: str, kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        _ = EnvPool(env, kwargs=kwargs).spec
