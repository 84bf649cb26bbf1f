from __future__ import annotations

from functools import partial
from operator import mul
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import pytest

from rlvla.core.component import build
from rlvla.core.testing import ConformanceError, check_simulator
from rlvla.core.types import Start
from rlvla.plugins.simulators.gymnasium import Gymnasium

if TYPE_CHECKING:
    from rlvla.core.types import StepResult

DOT = "toys.dot:Dot-v0"
START = Start(DOT, "train", 0)


class Doubled(gymnasium.ActionWrapper[Any, Any, Any]):
    """Multiplies actions, by two unless told otherwise."""

    def __init__(self, env: Any, by: float = 2.0) -> None:  # noqa: ANN401
        super().__init__(env)
        self._by = by

    def action(self, action: Any) -> Any:  # noqa: ANN401
        return action * self._by


def nothing(env: object) -> None:
    del env


def _moved(wrappers: list[Any], move: float) -> StepResult:
    dot = build(Gymnasium, {"env": DOT, "wrappers": wrappers})
    dot.start(1)
    dot.reset(0, START)
    result = dot.step(0, np.array([[move]], np.float32))
    dot.close()
    return result


def test_wrappers_are_gymnasium_s_own_or_those_of_a_module_with_arguments() -> None:
    own = {"name": "ClipReward", "kwargs": {"max_reward": 0.3}}
    assert _moved([], 0.25).reward == pytest.approx(0.25)
    assert _moved([own], 0.5).reward == pytest.approx(0.3)
    assert _moved([f"{__name__}:Doubled"], 0.25).reward == pytest.approx(0.5)
    other = {"name": f"{__name__}:Doubled", "kwargs": {"by": -1.0}}
    assert _moved([other], 0.25).reward == pytest.approx(-0.25)


def test_the_first_wrapper_is_the_innermost() -> None:
    rescaled = {"name": "RescaleAction", "kwargs": {"min_action": -1, "max_action": 1}}
    clipped = {"name": "ClipReward", "kwargs": {"max_reward": 0.3}}
    doubled = {"name": "TransformReward", "kwargs": {"func": partial(mul, 2)}}
    assert _moved([rescaled], 0.5).reward == pytest.approx(0.25)
    assert _moved([clipped, doubled], 0.5).reward == pytest.approx(0.6)
    assert _moved([doubled, clipped], 0.5).reward == pytest.approx(0.3)


@pytest.mark.parametrize(
    "wrappers",
    [
        ["FlattenObservation"],
        [{"name": "RescaleAction", "kwargs": {"min_action": -1, "max_action": 1}}],
        [{"name": "TimeLimit", "kwargs": {"max_episode_steps": 3}}],
        ["Autoreset"],
    ],
)
def test_a_wrapped_environment_keeps_the_contract(wrappers: list[Any]) -> None:
    check_simulator(build(Gymnasium, {"env": DOT, "wrappers": wrappers}))


def test_a_wrapper_that_carries_anything_over_to_the_next_episode_is_caught() -> None:
    with pytest.raises(ConformanceError, match="equal starts and actions must show the same"):
        check_simulator(Gymnasium(env=DOT, wrappers=["NormalizeObservation"]))


def test_bounds_and_limit_are_those_within_the_wrappers() -> None:
    rescaled = {"name": "RescaleAction", "kwargs": {"min_action": -1, "max_action": 1}}
    cut = {"name": "TimeLimit", "kwargs": {"max_episode_steps": 3}}
    spec = build(Gymnasium, {"env": DOT, "wrappers": [rescaled, cut]}).spec
    assert (spec.action_low, spec.action_high, spec.max_steps) == ((-1,), (1,), 3)


@pytest.mark.parametrize(
    ("wrapper", "message"),
    [
        ("ClipRewards", "wrappers: gymnasium.wrappers has no 'ClipRewards'; did you mean 'ClipRew"),
        (f"{__name__}:Tripled", f"wrappers: {__name__} has no 'Tripled'$"),
        ("nowhere:Half", "wrappers: 'nowhere:Half' cannot be imported: No module named 'nowhere'"),
        ("RescaleAction", "wrappers: 'RescaleAction' does not fit: .*missing"),
        ({"name": "ClipReward", "kwargs": {"most": 1}}, "'ClipReward' does not fit: .*'most'"),
        (f"{__name__}:nothing", "nothing' must make an environment, it made None"),
    ],
)
def test_an_unfit_wrapper_is_explained(wrapper: Any, message: str) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=message):
        _ = build(Gymnasium, {"env": DOT, "wrappers": [wrapper]}).spec


def test_actions_without_bounds_are_refused_whoever_took_the_bounds_away() -> None:
    with pytest.raises(ValueError, match="must bound its actions"):
        _ = Gymnasium(env=DOT, wrappers=["ClipAction"]).spec
