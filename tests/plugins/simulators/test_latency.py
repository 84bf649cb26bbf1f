from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rlvla.core.component import OptionError, build
from rlvla.core.latency import Curve, Latency
from rlvla.core.registry import Components
from rlvla.core.testing.simulator import check_simulator
from rlvla.core.types import Start
from rlvla.plugins import simulators, waiting
from rlvla.plugins.simulators.latency import LatencySimulator

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEADY = Latency(mean_ms=5.0)


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def perf_counter(self) -> float:
        return math.fsum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture(name="slept")
def _slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return clock.slept


def _start(index: int) -> Start:
    return Start("sign", "train", index)


def _actions(chunk: int, number: float = 1.0) -> NDArray[np.float32]:
    return np.full((chunk, 1), number, np.float32)


def test_it_is_registered() -> None:
    components = Components()
    simulators.register(components)
    assert components.simulators["latency"] is LatencySimulator


@pytest.mark.parametrize("batch", [None, Curve(base_ms=0.1)])
def test_it_conforms(batch: Curve | None) -> None:
    check_simulator(LatencySimulator(max_steps=7, cameras=2, size=8, batch_latency=batch))


def test_times_are_the_start_s_whatever_the_lane(slept: list[float]) -> None:
    times = Latency(mean_ms=10.0, cv=0.5)
    simulator = LatencySimulator(step_latency=times, reset_latency=times)
    simulator.start(2)
    for lane in (0, 1):
        simulator.reset(lane, _start(3))
        simulator.step(lane, _actions(5))
    assert slept[:2] == pytest.approx(slept[2:])
    assert slept[0] != pytest.approx(slept[1])


def test_a_lane_keeps_the_pace_of_its_first_start(slept: list[float]) -> None:
    simulator = LatencySimulator(reset_latency=Latency(mean_ms=10.0, spread=0.5))
    simulator.start(2)
    for lane, index in ((0, 0), (1, 1), (0, 2), (1, 3)):
        simulator.reset(lane, _start(index))
    assert slept[:2] == pytest.approx(slept[2:])
    assert slept[0] != pytest.approx(slept[1])


def test_a_call_really_takes_its_time() -> None:
    simulator = LatencySimulator(step_latency=STEADY, reset_latency=STEADY)
    simulator.start(1)
    begin = time.perf_counter()
    simulator.reset(0, _start(0))
    simulator.step(0, _actions(5))
    assert time.perf_counter() - begin >= 0.01


def test_burning_uses_a_core() -> None:
    simulator = LatencySimulator(reset_latency=STEADY, burn=True)
    simulator.start(1)
    begin = time.thread_time()
    simulator.reset(0, _start(0))
    assert time.thread_time() - begin >= 0.005


def test_lanes_of_a_batch_take_their_time_together(slept: list[float]) -> None:
    simulator = LatencySimulator(
        batch_latency=Curve(base_ms=20.0, per_sample_ms=1.0),
        step_latency=Latency(mean_ms=1e6),
        reset_latency=STEADY,
    )
    assert simulator.spec.batched
    simulator.start(3)
    simulator.reset_batch([0, 1, 2], [_start(0), _start(1), _start(2)])
    results = simulator.step_batch([2, 0], np.stack([_actions(5), _actions(5)]))
    assert slept == pytest.approx([0.005, 0.022])
    assert len(results) == 2


def test_a_batch_gives_each_lane_what_it_gives_alone() -> None:
    simulator = LatencySimulator(batch_latency=Curve())
    simulator.start(4)
    simulator.reset_batch([0, 1], [_start(0), _start(1)])
    chunks = np.stack([_actions(3, 0.5), _actions(3, -0.5)])
    together = simulator.step_batch([1, 0], chunks)
    for lane, result, actions in zip((3, 2), together, chunks, strict=True):
        simulator.reset(lane, _start(lane - 2))
        alone = simulator.step(lane, actions)
        assert (alone.reward == result.reward).all()
        assert (alone.observation.proprio == result.observation.proprio).all()


def test_right_actions_pay_one_in_all() -> None:
    simulator = LatencySimulator(max_steps=10)
    simulator.start(1)
    goal = simulator.reset(0, _start(0)).proprio[0]
    first = simulator.step(0, _actions(6, goal))
    last = simulator.step(0, _actions(6, goal))
    assert first.reward.sum() + last.reward.sum() == pytest.approx(1.0)
    assert last.valid.tolist() == [True] * 4 + [False] * 2
    assert last.truncated.tolist() == [False] * 3 + [True] + [False] * 2
    assert last.success
    assert not first.success


def test_wrong_actions_pay_nothing() -> None:
    simulator = LatencySimulator(max_steps=5)
    simulator.start(1)
    goal = simulator.reset(0, _start(0)).proprio[0]
    result = simulator.step(0, _actions(5, -goal))
    assert not result.reward.any()
    assert not result.success


def test_both_signs_are_to_be_told() -> None:
    simulator = LatencySimulator()
    simulator.start(1)
    goals = [simulator.reset(0, _start(index)).proprio[0] for index in range(400)]
    assert np.mean(np.array(goals) > 0) == pytest.approx(0.5, abs=0.1)


def test_images_change_from_action_to_action() -> None:
    simulator = LatencySimulator(cameras=1, size=8)
    simulator.start(1)
    shown = simulator.reset(0, _start(0)).images["camera0"]
    after = simulator.step(0, _actions(1)).observation.images["camera0"]
    assert (shown != after).any()


def test_nothing_is_shown_before_the_start() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        LatencySimulator().reset(0, _start(0))


@pytest.mark.parametrize("name", ["lanes", "size", "proprio", "action_dim", "max_steps"])
def test_what_must_be_positive_is(name: str) -> None:
    with pytest.raises(OptionError, match=f"{name} must be at least 1"):
        build(LatencySimulator, {name: 0})


def test_a_wrong_time_is_at_its_place() -> None:
    with pytest.raises(OptionError) as raised:
        build(LatencySimulator, {"step_latency": {"cv": -1}})
    assert raised.value.place == ("step_latency", "cv")


def test_other_seeds_give_other_episodes() -> None:
    goals: list[float] = []
    for one in (LatencySimulator(), replace(LatencySimulator(), seed=1)):
        one.start(1)
        goals.append(float(one.reset(0, _start(0)).proprio[0]))
    assert goals[0] != goals[1]
