from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rlvla.core.testing import check_simulator
from rlvla.core.types import Observation, SimulatorSpec, Start
from rlvla.plugins.simulators.live import Live
from rlvla.plugins.simulators.maniskill.fleet import Fleet
from rlvla.plugins.simulators.maniskill.starts import seed
from rlvla.plugins.simulators.stage import Rules

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from rlvla.core.types import StepResult

LIMIT = 6


class Points:
    """Points on a line that all move at once; the task is to come to 1."""

    closed = 0

    def __init__(self, task: str, scenes: int) -> None:
        self.task = task
        self.at = np.zeros(scenes, np.float32)
        self.drawn = 0

    def begin(self, scenes: Sequence[int], begun: Sequence[Start]) -> None:
        self.at += 0.5  # as a reset of some disturbs the others
        self.at[[*scenes]] = [seed(start) % 100 / 400 for start in begun]

    def act(self, actions: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        self.at += actions[:, 0]
        return self.at.copy(), self.at >= 1

    def observe(self, scenes: Sequence[int]) -> list[Observation]:
        self.drawn += 1
        return [Observation({}, self.at[[one]].copy(), self.task) for one in scenes]

    @contextmanager
    def keeping(self, scenes: Sequence[int]) -> Generator[None]:
        held = self.at[[*scenes]]
        yield
        self.at[[*scenes]] = held

    def close(self) -> None:
        Points.closed += 1


@dataclass
class Dots(Live[Fleet]):
    """A simulator whose lanes are points of one world per task."""

    lanes: int = 2
    dense: bool = False
    ends: bool = True
    tasks: tuple[str, ...] = ("left", "right")

    @property
    def spec(self) -> SimulatorSpec:
        return SimulatorSpec(
            cameras={},
            proprio=1,
            action_low=(-0.5,),
            action_high=(0.5,),
            max_steps=LIMIT,
            control_hz=1.0,
            batched=True,
        )

    def start(self, lanes: int) -> None:
        rules = Rules(self.spec, ends=self.ends, dense=self.dense, spare=1)
        self._live = Fleet(lambda task: Points(task, lanes), rules, lanes)

    def reset_batch(self, lanes: Sequence[int], starts: Sequence[Start]) -> list[Observation]:
        return self.live.reset_batch(lanes, starts)

    def step_batch(self, lanes: Sequence[int], actions: NDArray[np.float32]) -> list[StepResult]:
        return self.live.step_batch(lanes, actions)


def _chunks(*rows: Sequence[float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)[..., None]


def _begun(lanes: int = 2, *, ends: bool = True, dense: bool = False) -> Dots:
    dots = Dots(ends=ends, dense=dense)
    dots.start(lanes)
    dots.reset_batch([*range(lanes)], [Start("left", "train", one) for one in range(lanes)])
    return dots


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("ends", [False, True])
def test_lanes_do_not_influence_each_other(*, dense: bool, ends: bool) -> None:
    check_simulator(Dots(dense=dense, ends=ends), episodes=3)


def test_a_lane_that_ends_in_a_chunk_shows_its_end_while_others_go_on() -> None:
    dots = _begun()
    first, second = dots.step_batch([1, 0], _chunks([0.5, 0.5, 0.5, 0.5], [0.1, 0.1, 0.1, 0.1]))
    assert first.terminated.tolist() == [False, True, False, False]
    assert first.valid.tolist() == [True, True, False, False]
    assert first.reward.tolist() == [0, 1, 0, 0]
    began = seed(Start("left", "train", 1)) % 100 / 400
    assert first.observation.proprio[0] == pytest.approx(began + 1.0)
    assert second.valid.all()
    assert not second.success


def test_a_chunk_stops_when_all_its_lanes_are_over() -> None:
    dots = _begun(1)
    (result,) = dots.step_batch([0], _chunks([0.0] * LIMIT + [0.5] * 4))
    assert result.truncated.tolist() == [False] * (LIMIT - 1) + [True] + [False] * 4
    assert not result.success


def test_images_are_drawn_only_where_an_episode_ends_and_at_last() -> None:
    worlds: list[Points] = []

    def make(task: str) -> Points:
        worlds.append(Points(task, 2))
        return worlds[-1]

    fleet = Fleet(
        make, Rules(replace(Dots().spec, max_steps=9), ends=True, dense=False, spare=0), 2
    )
    fleet.reset_batch([0, 1], [Start("left", "train", 0)] * 2)
    fleet.step_batch([0, 1], _chunks([0.0] * 5, [0.0] * 5))
    assert worlds[0].drawn == 2, "after the reset, and after the chunk"
    fleet.step_batch([0, 1], _chunks([0.5, 0.5, 0.0], [0.0] * 3))
    assert worlds[0].drawn == 4, "and where one came to its goal"


def test_a_success_that_ends_nothing_counts_to_the_end() -> None:
    dots = _begun(1, ends=False)
    (result,) = dots.step_batch([0], _chunks([0.5, 0.5, -0.5, 0.5, -0.5, -0.5]))
    assert result.success
    assert result.reward.tolist() == [0, 1, 0, 0, 0, 0]
    assert result.truncated[-1]


def test_lanes_of_several_tasks_are_stepped_in_one_call_in_any_order() -> None:
    dots = _begun(3)
    dots.reset_batch([2, 0], [Start("right", "train", 5), Start("right", "train", 6)])
    told = dots.step_batch([0, 1, 2], _chunks([0.0], [0.0], [0.0]))
    assert [one.observation.instruction for one in told] == ["right", "left", "right"]
    began = [seed(Start("right", "train", 6)), seed(Start("left", "train", 1))]
    shown = [float(one.observation.proprio[0]) for one in told[:2]]
    assert shown == pytest.approx([one % 100 / 400 for one in began])


def test_worlds_that_no_lane_plays_are_spared_as_many_as_are_said() -> None:
    Points.closed = 0
    dots = _begun(1)
    for task in ("right", "middle", "left"):
        dots.reset_batch([0], [Start(task, "train", 0)])
    assert Points.closed == 2, "one of four is played, one is kept"
    dots.close()
    assert Points.closed == 4


def test_a_lane_at_its_end_and_actions_of_another_shape_are_refused() -> None:
    dots = _begun(1)
    with pytest.raises(ValueError, match=r"actions must be finite and \[N, C, 1\]"):
        dots.step_batch([0], np.zeros((1, 2, 3), np.float32))
    dots.step_batch([0], _chunks([0.0] * LIMIT))
    with pytest.raises(RuntimeError, match="lane 0 is at its episode's end; reset it first"):
        dots.step_batch([0], _chunks([0.0]))
