from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from toys.desk import LIMIT

from rlvla.core.component import build
from rlvla.core.types import Start
from rlvla.plugins.simulators.gymnasium import Gymnasium

if TYPE_CHECKING:
    from rlvla.core.types import StepResult

DESK = "toys.desk:Desk-v0"
START = Start(DESK, "train", 0)


def _desk(**options: Any) -> Gymnasium:  # noqa: ANN401
    desk = build(Gymnasium, {"env": DESK, "reset_options": {"goal": 2}, **options})
    desk.start(1)
    desk.reset(0, START)
    return desk


def _steps(desk: Gymnasium, count: int) -> StepResult:
    return desk.step(0, np.ones((count, 1), np.float32))


@pytest.mark.parametrize("key", ["is_success", "success"])
def test_success_is_what_the_environment_says_with_the_last_action(key: str) -> None:
    desk = _desk(kwargs={"says": key})
    assert [_steps(desk, 1).success for _ in range(LIMIT)] == [False, True, False, False]
    desk.reset(0, START)
    assert not _steps(desk, LIMIT).success
    desk.close()


def test_what_an_environment_calls_otherwise_is_no_success() -> None:
    desk = _desk(kwargs={"says": "solved"}, on_success="end")
    assert not _steps(desk, 2).success
    desk.close()


def test_a_success_ends_the_episode_if_options_say_so() -> None:
    desk = _desk(on_success="end")
    result = _steps(desk, LIMIT)
    assert result.success
    assert result.valid.tolist() == [True, True, False, False]
    assert result.terminated.tolist() == [False, True, False, False]
    assert not result.truncated.any()
    desk.close()


def test_a_success_at_the_limit_is_an_end_and_no_cut() -> None:
    desk = _desk(on_success="end", max_steps=2)
    result = _steps(desk, 2)
    assert result.terminated.tolist() == [False, True]
    assert not result.truncated.any()
    desk.close()


@pytest.mark.parametrize("wrappers", [[], ["Autoreset"]])
def test_no_action_is_executed_after_an_episode_s_end(wrappers: list[Any]) -> None:
    desk = _desk(wrappers=wrappers)
    last = _steps(desk, LIMIT + 3)
    assert last.truncated.tolist() == [False] * (LIMIT - 1) + [True] + [False] * 3
    assert last.reward.tolist() == [1] * LIMIT + [0] * 3
    assert last.observation.proprio[0] == LIMIT
    with pytest.raises(RuntimeError, match="lane 0 is at its episode's end; reset it first"):
        _steps(desk, 1)
    assert desk.reset(0, START).proprio[0] == 0
    assert _steps(desk, 1).observation.proprio[0] == 1
    desk.close()


def test_no_action_is_executed_before_an_episode_begins() -> None:
    desk = Gymnasium(env=DESK)
    desk.start(1)
    with pytest.raises(RuntimeError, match="lane 0 is at its episode's end; reset it first"):
        _steps(desk, 1)
    desk.close()


@pytest.mark.parametrize("key", ["final_obs", "final_observation"])
def test_an_environment_that_shows_the_next_episode_at_the_end_of_one_is_refused(key: str) -> None:
    desk = _desk(kwargs={"final": key})
    _steps(desk, LIMIT - 1)
    with pytest.raises(RuntimeError, match=f"resets itself at an episode's end, as '{key}' in its"):
        _steps(desk, 1)
    desk.close()


def test_resets_are_told_their_options() -> None:
    told = _desk(reset_options={"goal": 3}, privileged=["goal"])
    seen = {tuple(told.reset(0, Start(DESK, "train", at)).privileged.tolist()) for at in range(6)}
    assert seen == {(0, 0, 1)}
    told.close()
    free = Gymnasium(env=DESK, privileged=["goal"])
    free.start(1)
    seen = {tuple(free.reset(0, Start(DESK, "train", at)).privileged.tolist()) for at in range(6)}
    assert len(seen) > 1
    free.close()
