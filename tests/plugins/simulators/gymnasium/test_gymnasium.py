from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from rlvla.core.component import OptionError, build, options_of
from rlvla.core.testing import check_simulator, check_starts
from rlvla.core.types import Start
from rlvla.plugins.simulators.gymnasium import Gymnasium
from rlvla.plugins.simulators.gymnasium.wrappers import Wrapper


class Corridor(gymnasium.Env[Any, Any]):
    """Shows an image that brightens as it walks; done after three steps to the right."""

    observation_space = gymnasium.spaces.Box(0, 255, (4, 5, 3), np.uint8)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401
        super().reset(**options)
        self.place = 0
        return self._shown(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:  # noqa: ANN401
        self.place += int(action[0] > 0)
        won = self.place == 3
        return self._shown(), float(won), won, False, {"is_success": won}

    def _shown(self) -> Any:  # noqa: ANN401
        return np.full((4, 5, 3), self.place, np.uint8)


class Switches(Corridor):
    """Walks as far as two rows of three switches say together."""

    action_space: Any = gymnasium.spaces.MultiBinary((2, 3))

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:  # noqa: ANN401
        assert self.action_space.contains(action)
        self.place = int(action.sum())
        return self._shown(), float(self.place), False, False, {}


class Letters(Corridor):
    """Takes what no vector of numbers within bounds is."""

    action_space: Any = gymnasium.spaces.Text(3)


class Unbounded(Corridor):
    """Takes any number."""

    action_space: Any = gymnasium.spaces.Box(-np.inf, 1, (1,))


class Steps(Corridor):
    """Takes whole numbers of a Box, and in its own form."""

    action_space: Any = gymnasium.spaces.Box(-2, 3, (1, 2), np.int8)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:  # noqa: ANN401
        assert self.action_space.contains(action)
        return self._shown(), float(action[0, 0] - action[0, 1]), False, False, {}


class Dials(Corridor):
    """Walks as far as its two dials, of 3 and 4 positions from 1 on, say together."""

    action_space: Any = gymnasium.spaces.MultiDiscrete([3, 4], start=[1, 1])

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:  # noqa: ANN401
        assert self.action_space.contains(action)
        self.place = int(action.sum())
        return self._shown(), float(self.place), False, False, {}


def _make(**options: Any) -> Corridor:  # noqa: ANN401
    return Corridor(**options)


@pytest.fixture(autouse=True, scope="module")
def _corridor() -> None:
    gymnasium.register("Corridor-v0", _make, max_episode_steps=6)
    gymnasium.register("Endless-v0", _make)
    for kind in (Switches, Dials, Letters, Unbounded, Steps):
        place = f"{__name__}:{kind.__name__}"
        gymnasium.register(f"{kind.__name__}-v0", place, max_episode_steps=6)


def test_an_environment_of_vectors_keeps_the_contract() -> None:
    check_simulator(Gymnasium(env="Pendulum-v1", kwargs={"g": 9.0}, max_steps=20))


def test_an_environment_of_images_keeps_the_contract() -> None:
    check_simulator(Gymnasium(env="Corridor-v0"))


@pytest.mark.parametrize(
    ("env", "low", "high"),
    [
        ("CartPole-v1", (0,), (1,)),
        ("Dials-v0", (1, 1), (3, 4)),
        ("Switches-v0", (0,) * 6, (1,) * 6),
        ("Steps-v0", (-2, -2), (3, 3)),
    ],
)
def test_an_environment_of_choices_keeps_the_contract(
    env: str, low: tuple[int, ...], high: tuple[int, ...]
) -> None:
    simulator = Gymnasium(env=env)
    check_simulator(simulator)
    spec = simulator.spec
    assert (spec.discrete, spec.action_low, spec.action_high) == (True, low, high)
    assert not Gymnasium(env="Pendulum-v1").spec.discrete


def test_a_choice_is_the_nearest_whole_number() -> None:
    dials = Gymnasium(env="Dials-v0")
    dials.start(1)
    dials.reset(0, Start("Dials-v0", "train", 0))
    assert dials.step(0, np.array([[2.6, 3.8], [1.4, 1.0]], np.float32)).reward.tolist() == [7, 2]
    dials.close()


def test_the_limit_and_the_bounds_are_those_of_the_environment() -> None:
    spec = Gymnasium(env="Pendulum-v1").spec
    assert (spec.proprio, spec.max_steps) == (3, 200)
    assert (spec.action_low, spec.action_high) == ((-2.0,), (2.0,))
    assert Gymnasium(env="Corridor-v0").spec.cameras == {"front": (4, 5)}


def test_success_ends_a_chunk_and_is_what_the_environment_says() -> None:
    corridor = Gymnasium(env="Corridor-v0")
    corridor.start(1)
    corridor.reset(0, Start("Corridor-v0", "train", 0))
    result = corridor.step(0, np.ones((5, 1), np.float32))
    assert result.success
    assert result.valid.tolist() == [True] * 3 + [False] * 2
    assert result.terminated.tolist() == [False, False, True, False, False]
    assert result.reward.tolist() == [0, 0, 1, 0, 0]
    corridor.close()


def test_starts_differ_by_split_seed_and_index() -> None:
    pendulum = Gymnasium(env="Pendulum-v1")
    pendulum.start(1)
    starts = [
        Start("Pendulum-v1", "train", 0),
        Start("Pendulum-v1", "train", 1),
        Start("Pendulum-v1", "train", 0, 1),
        Start("Pendulum-v1", "eval", 0),
    ]
    shown = {tuple(pendulum.reset(0, start).proprio.tolist()) for start in starts}
    assert len(shown) == len(starts)


def test_evaluation_starts_are_never_trained_on() -> None:
    check_starts(Gymnasium(env="Pendulum-v1"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"env": "Nothing-v0"}, "env 'Nothing-v0' cannot be made"),
        ({"env": "Letters-v0"}, "env 'Letters-v0' must take a vector of numbers"),
        ({"env": "Unbounded-v0"}, "env 'Unbounded-v0' must bound its actions, it takes Box"),
        ({"env": "Endless-v0"}, "max_steps is needed: env 'Endless-v0' has no limit"),
    ],
)
def test_an_unfit_environment_is_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _ = Gymnasium(**options).spec


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lanes": 0}, "lanes must be at least 1, got 0"),
        ({"max_steps": 0}, "max_steps must be at least 1, got 0"),
        ({"control_hz": 0.0}, "control_hz must be positive, got 0"),
        ({"pixels": [0, 64]}, r"pixels must be height and width of at least 1, got \[0, 64\]"),
        ({"pixels": [64]}, r"pixels must be height and width of at least 1, got \[64\]"),
        ({"instruction": "go " * 50}, "instruction has 150 bytes, at most 128 fit"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build(Gymnasium, {"env": "Pendulum-v1", **options})


def test_options_survive_the_way_to_a_worker() -> None:
    one = Gymnasium(env="Pendulum-v1", wrappers=["ClipReward", Wrapper("a:B", {"c": 1})])
    assert build(Gymnasium, options_of(one)) == one


def test_the_rate_of_control_is_what_the_environment_states_or_the_options() -> None:
    assert Gymnasium(env="Pendulum-v1").spec.control_hz == 30
    assert Gymnasium(env="Pendulum-v1", control_hz=20.0).spec.control_hz == 20
    assert Gymnasium(env="Corridor-v0").spec.control_hz == 1
