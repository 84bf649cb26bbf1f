"""The adapter beside the package: runs where the package is, see `test_metaworld`."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rlvla.core.testing import check_simulator, check_starts
from rlvla.core.types import Start
from rlvla.plugins.simulators import opengl
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

    from rlvla.core.types import Observation

    Act = Callable[[NDArray[np.float64]], NDArray[np.float32]]

if find_spec("metaworld") is None:
    pytest.skip("needs the package metaworld in this interpreter", allow_module_level=True)
if (platform := opengl.available()) is not None:
    opengl.claim(platform)  # before MuJoCo is imported
metaworld: Any = import_module("metaworld")
policies: Any = import_module("metaworld.policies")
drawing = pytest.mark.skipif(platform is None, reason="no OpenGL draws on this machine")


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


def _policy(task: str, index: int) -> Act:
    """Return what acts in an episode: at random or as scripted, in turn."""
    return _scripted(task) if index % 2 else _random(index)


def _random(seed: int) -> Act:
    dice = np.random.default_rng(seed)
    return lambda _: dice.uniform(-1, 1, 4).astype(np.float32)


def _place(environment: Any, task: str, vector: NDArray[np.float64]) -> None:  # noqa: ANN401
    kind: Any = metaworld.env_dict.ALL_V3_ENVIRONMENTS[task]
    placed: dict[str, Any] = {"rand_vec": vector, "env_cls": kind, "partially_observable": False}
    environment.set_task(metaworld.Task(env_name=task, data=pickle.dumps(placed)))


def _by_the_package(task: str, vector: NDArray[np.float64], act: Act) -> Played:
    """Play as the package is told to be used: a task is set, and the loop runs to its limit."""
    environment: Any = metaworld.env_dict.ALL_V3_ENVIRONMENTS[task]()
    _place(environment, task, vector)
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


def _by_the_adapter(simulator: Metaworld, seen: Observation, act: Act) -> Played:
    """Play on from what is seen through the adapter, one action at a time."""
    played = Played([seen.privileged[:39]], [], success=False)
    while True:
        result = simulator.step(0, act(simulator.live.scene(0).state)[None])
        played.states.append(result.observation.privileged[:39])
        played.rewards.append(float(result.reward[0]))
        if result.terminated[0] or result.truncated[0]:
            played.success = result.success
            return played


@pytest.mark.parametrize("task", INSTRUCTIONS)
def test_an_episode_is_the_one_that_the_package_plays_itself(task: str) -> None:
    adapter = Metaworld(task=task, observation="state", reward="dense", on_success="continue")
    adapter.start(1)
    for index in range(2):
        seen = adapter.reset(0, Start(task, "eval", index))
        ours = _by_the_adapter(adapter, seen, _policy(task, index))
        theirs = _by_the_package(task, adapter.live.scene(0).vector, _policy(task, index))
        np.testing.assert_array_equal(ours.states, theirs.states)
        assert ours.rewards == theirs.rewards
        assert len(ours.rewards) == LIMIT
        assert ours.success == theirs.success
    adapter.close()


def test_successes_are_those_of_the_package_towards_the_goals_that_it_draws() -> None:
    for name in ("drawer-close-v3", "reach-v3"):
        adapter = Metaworld(task=name, observation="state", on_success="continue")
        adapter.start(1)
        adapter.reset(0, Start(name, "train", 0))
        ends = list[bool]()
        for index, task in enumerate(metaworld.MT1(name, seed=1).train_tasks[:6]):
            vector = pickle.loads(task.data)["rand_vec"]
            adapter.live.scene(0).place(vector)
            seen = adapter.live.again(0)
            ours = _by_the_adapter(adapter, seen, _policy(name, index))
            theirs = _by_the_package(name, vector, _policy(name, index))
            np.testing.assert_array_equal(ours.states, theirs.states)
            assert ours.success == theirs.success
            ends.append(ours.success)
        assert sum(ends) >= 3
        adapter.close()


def test_success_ends_an_episode_and_pays_once() -> None:
    ending = Metaworld(task="reach-v3", observation="state")
    going_on = Metaworld(task="reach-v3", observation="state", on_success="continue")
    lengths, paid = [], []
    for adapter in (ending, going_on):
        adapter.start(1)
        seen = adapter.reset(0, Start("reach-v3", "eval", 0))
        played = _by_the_adapter(adapter, seen, _scripted("reach-v3"))
        lengths.append(len(played.rewards))
        paid.append([at for at, one in enumerate(played.rewards) if one])
        assert played.success
        assert set(played.rewards) == {0.0, 1.0}
        adapter.close()
    assert lengths[0] < lengths[1] == LIMIT
    assert paid[0] == paid[1] == [lengths[0] - 1]


def test_the_expert_is_the_policy_scripted_for_the_task() -> None:
    adapter = Metaworld(task="mt10", observation="state")
    adapter.start(1)
    for task in adapter.tasks:
        scripted = _scripted(task)
        adapter.reset(0, Start(task, "eval", 0))
        for _ in range(5):
            action = adapter.expert(0)
            np.testing.assert_array_equal(action, scripted(adapter.live.scene(0).state))
            adapter.step(0, action[None])
    adapter.close()


@drawing
@pytest.mark.parametrize("camera", ["topview", "corner", "corner4", "gripperPOV"])
def test_an_image_is_the_one_that_the_package_draws_turned_upright(camera: str) -> None:
    adapter = Metaworld(task="drawer-open-v3", cameras=[camera], size=96, shadows=True)  # type: ignore[list-item]  # one of its cameras
    adapter.start(1)
    image = adapter.reset(0, Start("drawer-open-v3", "eval", 3)).images[camera]
    environment: Any = metaworld.env_dict.ALL_V3_ENVIRONMENTS["drawer-open-v3"](
        render_mode="rgb_array", camera_name=camera, width=96, height=96
    )
    _place(environment, "drawer-open-v3", adapter.live.scene(0).vector)
    environment.reset()
    drawn = environment.render()
    turned = drawn[::-1, ::-1] if camera.startswith("corner") else drawn
    np.testing.assert_array_equal(image, turned)
    environment.close()
    adapter.close()


@drawing
def test_images_show_the_goal_at_which_the_episode_aims() -> None:
    """The same scene with another goal looks otherwise, though nothing else is placed anew."""
    adapter = Metaworld(task="reach-v3", cameras=["topview"], size=128)
    adapter.start(1)
    seen = adapter.reset(0, Start("reach-v3", "eval", 0)).images["topview"]
    other = adapter.live.scene(0).vector.copy()
    other[3:5] += 0.08
    adapter.live.scene(0).place(other)
    moved = adapter.live.again(0).images["topview"]
    differs = (seen.astype(int) - moved != 0).any(axis=-1).sum()
    assert 5 < differs < 200
    adapter.close()


@drawing
def test_the_contract_is_kept_in_images() -> None:
    tasks = ["reach-v3", "drawer-open-v3"]
    check_simulator(Metaworld(task=tasks, cameras=["corner4", "gripperPOV"], size=16, max_steps=8))


def test_the_contract_is_kept_in_numbers() -> None:
    check_simulator(Metaworld(task="mt10", observation="state", max_steps=25), episodes=1)


def test_what_is_measured_is_never_trained_on() -> None:
    for suite in ("mt50", "ml10", "ml45"):
        goal: Any = "hidden" if suite in HELD_OUT else "shown"
        check_starts(Metaworld(task=suite, observation="state", goal=goal, spare=0), starts=4)


def test_a_hidden_goal_is_hidden_from_all_but_the_critic() -> None:
    adapter = Metaworld(task="reach-v3", observation="state", goal="hidden")
    adapter.start(1)
    seen = adapter.reset(0, Start("reach-v3", "eval", 0))
    assert seen.proprio[-3:].tolist() == [0, 0, 0]
    assert seen.privileged[-3:].any()
    np.testing.assert_array_equal(seen.proprio[:-3], seen.privileged[:-3])
    adapter.close()


def test_suites_are_those_of_the_package() -> None:
    known = metaworld.env_dict
    assert set(INSTRUCTIONS) == set(known.ALL_V3_ENVIRONMENTS)
    assert set(SUITES["mt10"]) == set(known.MT10_V3)
    for suite, whole in (("ml10", known.ML10_V3), ("ml45", known.ML45_V3)):
        assert set(SUITES[suite]) == set(whole["train"])
        assert set(HELD_OUT[suite]) == set(whole["test"])
