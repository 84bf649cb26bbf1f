from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from toys.line import Line

from rlvla.core.latency import Curve
from rlvla.core.testing import ConformanceError, check_simulator, check_starts
from rlvla.plugins.simulators.latency import LatencySimulator
from rlvla.plugins.simulators.tabletop import Tabletop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rlvla.core.interfaces import Simulator
    from rlvla.core.protocol import EvaluationProtocol
    from rlvla.core.types import Observation, SimulatorSpec, Start, StepResult

Fault = Literal[
    "no_task", "bounds", "fraction", "extra_camera", "dtype", "nan", "endless", "after_end",
    "gap", "paid", "leak", "chunk", "expert_shape", "expert_bounds", "words", "limit", "twice",
    "trained", "alike",
]  # fmt: skip


@dataclass
class Faulty:
    """The line, except for one broken rule."""

    fault: Fault
    lanes: int = 2

    def __post_init__(self) -> None:
        self._line = Line()
        self._noise = 0.0

    @property
    def tasks(self) -> tuple[str, ...]:
        return () if self.fault == "no_task" else self._line.tasks

    @property
    def spec(self) -> SimulatorSpec:
        spec = self._line.spec
        if self.fault == "fraction":
            return replace(spec, action_low=(0.5,), discrete=True)
        return replace(spec, action_low=(2.0,)) if self.fault == "bounds" else spec

    @property
    def protocols(self) -> list[EvaluationProtocol]:
        (one,) = self._line.protocols
        if self.fault == "limit":
            return [replace(one, max_steps=7)]
        return [one, one] if self.fault == "twice" else [one]

    def start(self, lanes: int) -> None:
        self._line.start(lanes)

    def reset(self, lane: int, start: Start) -> Observation:
        self._noise += self.fault == "leak"
        if self.fault == "trained":
            start = replace(start, split="train", seed=0)
        if self.fault == "alike" and start.split == "eval":
            start = replace(start, index=0)
        seen = self._line.reset(lane, start)
        if self.fault == "extra_camera":
            seen = replace(seen, images={"side": np.zeros((8, 8, 3), np.uint8)})
        if self.fault == "dtype":
            seen = replace(seen, proprio=seen.proprio.astype(np.float64))  # type: ignore[arg-type]  # the fault
        if self.fault == "nan":
            seen = replace(seen, proprio=np.full(1, np.nan, np.float32))
        return replace(seen, privileged=seen.privileged + np.float32(self._noise))

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        result = self._line.step(lane, actions)
        if self.fault == "words":
            result = replace(result, observation=replace(result.observation, instruction="rest"))
        over = result.terminated | result.truncated
        if self.fault == "endless":
            return replace(result, terminated=over & False, truncated=over & False)
        if self.fault == "after_end":
            return replace(result, terminated=over | ~over)
        if self.fault == "gap":
            return replace(result, valid=result.valid & False)
        if self.fault == "paid":
            return replace(result, reward=np.where(result.valid, 0, 1).astype(np.float32))
        if self.fault == "chunk":
            return replace(result, reward=result.reward + np.float32(len(actions)) * result.valid)
        return result

    def expert(self, lane: int) -> NDArray[np.float32]:
        action = self._line.expert(lane)
        if self.fault == "expert_shape":
            return action[None]
        return action * 9 if self.fault == "expert_bounds" else action

    def close(self) -> None:
        self._line.close()


@pytest.mark.parametrize(
    "simulator",
    [Line(), Line(cameras=1), Tabletop(size=16), Tabletop(task=["push", "pick_place"], size=16)],
)
def test_built_in_simulators_conform(simulator: Simulator) -> None:
    check_simulator(simulator, episodes=1)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("no_task", "tasks must name each task once"),
        ("bounds", "action_low must be below action_high"),
        ("fraction", "action_low and action_high must be whole numbers if actions are discrete"),
        ("extra_camera", "the observation after reset must hold instruction, privileged, proprio"),
        ("dtype", r"'proprio' of the observation after reset must be float32 \[1\], it is float64"),
        ("nan", "'proprio' of the observation after reset must be finite"),
        ("endless", "an episode must end within max_steps, 6 actions"),
        ("after_end", "must be terminated or truncated only if it is the last that was executed"),
        ("gap", "valid must be true for the first actions of a chunk, at least one"),
        ("paid", "actions that were not executed must pay 0"),
        ("leak", "equal starts and actions must show the same"),
        ("chunk", "the same actions must pay the same in chunks"),
        ("words", "task 'go': the instruction of an episode must stay the same"),
        ("limit", "'line@v1' must cut episodes where the simulator does, after 6 actions, not 7"),
        ("twice", "protocols must have names of their own"),
        ("expert_shape", r"the expert's action must be float32 \[1\], it is float32 \[1, 1\]"),
        ("expert_bounds", "the expert's action must be within the bounds"),
    ],
)
def test_a_broken_simulator_is_told_in_a_sentence(fault: Fault, told: str) -> None:
    with pytest.raises(ConformanceError, match=told):
        check_simulator(Faulty(fault), episodes=3)


Mixture = Literal["order", "others", "noise"]


@dataclass
class Several(Line):
    """The line, stepped many lanes at once, except for one broken rule."""

    mixture: Mixture | None = None

    @property
    def spec(self) -> SimulatorSpec:
        return replace(super().spec, batched=True)

    def reset_batch(self, lanes: Sequence[int], starts: Sequence[Start]) -> list[Observation]:
        return [self.reset(lane, start) for lane, start in zip(lanes, starts, strict=True)]

    def step_batch(self, lanes: Sequence[int], actions: NDArray[np.float32]) -> list[StepResult]:
        if self.mixture == "others":
            for lane in {*self._points} - {*lanes}:
                self.step(lane, actions[0] * 0 + 0.1)
        chunks = actions[::-1] if self.mixture == "order" else actions
        results = [self.step(lane, chunk) for lane, chunk in zip(lanes, chunks, strict=True)]
        if self.mixture == "noise" and len(lanes) > 1:
            return [
                replace(one, reward=one.reward + one.valid * np.float32(0.1)) for one in results
            ]
        return results


@pytest.mark.parametrize(
    "simulator", [Several(), LatencySimulator(cameras=1, size=8, batch_latency=Curve())]
)
def test_a_batched_simulator_conforms(simulator: Simulator) -> None:
    check_simulator(simulator, episodes=1)


@pytest.mark.parametrize("mixture", ["order", "others", "noise"])
def test_lanes_that_are_mixed_up_are_told(mixture: Mixture) -> None:
    told = "lanes that are named in one call must show and pay what each does alone"
    with pytest.raises(ConformanceError, match=told):
        check_simulator(Several(mixture=mixture), episodes=1)


@pytest.mark.parametrize(
    "simulator",
    [Line(), Tabletop(task=["reach", "push", "pick_place"], size=16), LatencySimulator()],
)
def test_built_in_simulators_never_measure_what_they_trained_on(simulator: Simulator) -> None:
    check_starts(simulator)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("trained", "task 'go': no training start may look like an evaluation start, 8 do"),
        ("alike", "task 'go': its 8 evaluation starts must differ, only 1 do"),
    ],
)
def test_starts_that_are_no_test_are_told(fault: Fault, told: str) -> None:
    with pytest.raises(ConformanceError, match=told):
        check_starts(Faulty(fault))
