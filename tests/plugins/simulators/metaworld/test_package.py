"""The adapter beside the package: runs where the package is, see `test_metaworld`."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rlvla.core.testing import check_simulator, check_starts
from rlvla.core.types import Start
from rlvla.plugins.simulators.metaworld import Metaworld
from rlvla.plugins.simulators.metaworld.tasks import (
    HELD_OUT,
    INSTRUCTIONS,
    LIMIT,
    SUITES,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Act = Callable[[NDArray[np.float64]], NDArray[np.float32]]

metaworld = pytest.importorskip("metaworld", reason="needs the package metaworld")
policies = pytest.importorskip("metaworld.policies")


@dataclass
class Played:
    """An episode, state for state."""

    states: list[NDArray[np.float32]]
    rewards: list[float]
    success: bool


def _scripted(task: str) -> Act:
    policy = policies.ENV_POLICY_MAP[task]()

    def act(state: NDArray[np.float64]) -> NDArray[np.float32]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.clip(policy.get_action(state), -1, 1).astype(np.float32)

    return act


def _random(seed: int) -> Act:
    dice = np.random.default_rng(seed)
    return lambda _: dice.uniform(-1, 1, 4).astype(np.float32)


def _by_the_package(task: str, vector: NDArray[np.float64], act: Act) -> Played:
    """Play as the package is told to be used: a task is set, and the loop runs to its limit."""
    environment: Any = metaworld.env_dict.ALL_V3_ENVIRONMENTS[task]()
    placed = {"rand_vec": vector, "env_cls": type(environment), "partially_observable": False}
    environment.set_task(metaworld.Task(env_name=task, data=pickle.dumps(placed)))
    state, _ = environment.reset()
    played = Played([state.astype(np.float32)], [], success=False)
    truncated = False
    while not truncated:
        state, reward, _, truncated, told = environment.step(act(state))
        played.states.append(state.astype(np.float32))
        played.rewards.append(float(np.float32(reward)))
        played.success |= bool(told["success"])
    environment.close()
    return played


def _by_the_adapter(simulator: Metaworld, start: Start, act: Act) -> Played:
    """Play through the adapter, one action at a time."""
    seen = simulator.reset(0, start)
    played = Played([seen.privileged[:39]], [], success=False)
    while True:
        episode = simulator.live._episodes[0]
        result = simulator.step(0, act(episode.state)[None])
        played.states.append(result.observation.privileged[:39])
        played.rewards.append(float(result.reward[0]))
        if result.terminated[0] or result.truncated[0]:
            played.success = result.success
            return played


def _vector(simulator: Metaworld) -> NDArray[np.float64]:
    return np.array(simulator.live._episodes[0].scene._env._last_rand_vec)


@pytest.mark.parametrize("task", INSTRUCTIONS)
def test_an_episode_is_the_one_that_the_package_plays_itself(task: str) -> None:
    adapter = Metaworld(task=task, observation="state", reward="dense", on_success="continue")
    adapter.start(1)
    ends = []
    for index, policy in enumerate((_random, _random, lambda _: _scripted(task))):
        ours = _by_the_adapter(adapter, Start(task, "eval", index), policy(index))
        theirs = _by_the_package(task, _vector(adapter), policy(index))
        np.testing.assert_array_equal(ours.states, theirs.states)
        assert ours.rewards == theirs.rewards
        assert len(ours.rewards) == LIMIT
        assert ours.success == theirs.success
        ends.append(ours.success)
    print(task, ends)
    adapter.close()
