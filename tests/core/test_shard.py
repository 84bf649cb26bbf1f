from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from toys.line import FAULTS, Line
from toys.tiny import Tiny

from rlvla.core.errors import LaneLostError, PluginError
from rlvla.core.shard import Shard
from rlvla.core.slots import Layout, Slots
from rlvla.core.types import Observation, Start, StepResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.interfaces import Simulator

START = Start("go", "train", 0)


def shard_of(simulator: object, *, chunk: int = 1) -> tuple[Shard, Slots]:
    line = cast("Simulator", simulator)
    layout = Layout(line.spec, Tiny(chunk).decision_fields(line.spec))
    slots = Slots(layout, 8, bytearray(layout.row_bytes * 8))
    return Shard(line, [7, 9], slots), slots


def decide(slots: Slots, slot: int, *actions: float) -> None:
    fields = slots.layout.parts["decision"]
    row = {name: np.zeros((1, *one.shape), one.dtype) for name, one in fields.items()}
    row["action"][0, :, 0] = actions
    slots.write("decision", [slot], row)


def test_a_step_writes_result_and_next_observation_into_its_slots() -> None:
    shard, slots = shard_of(Line(cameras=1), chunk=2)
    shard.reset(9, START, into=0)
    seen = slots.read([0], "observation")
    assert seen["image/top"].shape == (1, 8, 8, 3)
    assert seen["instruction"][0].tobytes().startswith(b"go right\0")
    decide(slots, 0, 0.5, 0.5)
    outcome = shard.step(9, 0, into=3)
    assert (outcome.steps, outcome.done, outcome.success) == (2, False, False)
    moved = slots.read([3], "observation")["proprio"] - seen["proprio"]
    assert moved == pytest.approx(0.3, abs=1e-6)
    assert slots.read([0], "result")["valid"].tolist() == [[True, True]]


def test_actions_after_the_end_of_an_episode_are_not_valid() -> None:
    shard, slots = shard_of(Line(), chunk=6)
    shard.reset(7, START, into=0)
    decide(slots, 0, *[1.0] * 6)
    outcome = shard.step(7, 0, into=1)
    assert outcome.success
    assert outcome.terminated
    assert outcome.steps < 6
    result = {name: one[0] for name, one in slots.read([0], "result").items()}
    assert int(result["valid"].sum()) == outcome.steps
    assert result["reward"].tolist() == result["terminated"].tolist()


@pytest.mark.parametrize(
    ("fault", "reason", "words"),
    [
        ("nan", "nan", "lane 9: 'proprio' is not finite"),
        ("shape", "contract", r"lane 9: 'reward': expected float32 \[1\], .* gave float32 \[2\]"),
        ("dtype", "contract", r"lane 9: 'reward': expected float32 \[1\], .* gave float64 \[1\]"),
        ("raise", "env_error", r"lane 9: step raised RuntimeError\('the line is broken'\)"),
    ],
)
def test_a_broken_result_loses_the_lane_and_names_lane_and_key(
    fault: FAULTS, reason: str, words: str
) -> None:
    shard, slots = shard_of(Line(fault=fault, after=2))
    for lane, slot in ((7, 0), (9, 1)):
        shard.reset(lane, START, into=slot)
        decide(slots, slot, 0.5)
    shard.step(7, 0, into=2)
    with pytest.raises(LaneLostError, match=words) as caught:
        shard.step(9, 1, into=3)
    assert caught.value.reason == reason
    decide(slots, 2, 0.5)
    assert shard.step(7, 2, into=4).steps == 1
    shard.reset(9, START, into=1)


def test_an_observation_with_other_keys_loses_the_lane() -> None:
    class Blind(Line):
        def reset(self, lane: int, start: Start) -> Observation:
            return replace(super().reset(lane, start), images={"side": np.zeros(1, np.uint8)})

    shard, _ = shard_of(Blind())
    with pytest.raises(LaneLostError, match=r"expected \['instruction', .* gave .*'image/side'"):
        shard.reset(7, START, into=0)


def test_an_instruction_that_does_not_fit_loses_the_lane() -> None:
    class Verbose(Line):
        def reset(self, lane: int, start: Start) -> Observation:
            return replace(super().reset(lane, start), instruction="go " * 50)

    shard, _ = shard_of(Verbose())
    with pytest.raises(LaneLostError, match="instruction has 150 bytes, at most 128 fit"):
        shard.reset(7, START, into=0)


def test_the_expert_demonstrates_until_it_succeeds() -> None:
    shard, slots = shard_of(Line())
    shard.reset(7, START, into=0)
    outcomes = [shard.demonstrate(7, 0, into=0) for _ in range(3)]
    assert any(outcome.success for outcome in outcomes)
    assert slots.read([0], "decision")["action"].tolist() == [[[1.0]]]


def test_the_expert_chooses_each_action_of_a_chunk_by_what_came_of_the_last() -> None:
    class Slowing(Line):
        def expert(self, lane: int) -> NDArray[np.float32]:
            return super().expert(lane) * np.float32(0.9) ** self._points[lane].steps

    single, singles = shard_of(Slowing())
    single.reset(7, START, into=0)
    outcomes = [single.demonstrate(7, 0, into=1)]
    while not outcomes[-1].done:
        count = len(outcomes)
        outcomes.append(single.demonstrate(7, count, into=count + 1))
    steps = len(outcomes)
    assert 1 < steps < 6
    one_by_one = singles.read(range(steps), "decision", "result")
    chunked, slots = shard_of(Slowing(), chunk=6)
    chunked.reset(7, START, into=0)
    outcome = chunked.demonstrate(7, 0, into=1)
    whole = {name: one[0] for name, one in slots.read([0], "decision", "result").items()}
    assert outcome == (sum(one.reward for one in outcomes), steps, True, False, True)
    assert whole["valid"].tolist() == [True] * steps + [False] * (6 - steps)
    np.testing.assert_array_equal(whole["action"][:steps], one_by_one["action"][:, 0])
    np.testing.assert_array_equal(whole["reward"][:steps], one_by_one["reward"][:, 0])


def test_a_malformed_result_loses_the_demonstrated_episode() -> None:
    class Scalar(Line):
        def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
            return replace(super().step(lane, actions), reward=np.zeros((), np.float32))

    shard, _ = shard_of(Scalar(), chunk=3)
    shard.reset(7, START, into=0)
    with pytest.raises(LaneLostError, match=r"'reward': expected float32 \[1\]"):
        shard.demonstrate(7, 0, into=1)


def test_a_simulator_without_expert_says_so() -> None:
    class Alone:
        spec = Line().spec

        def start(self, lanes: int) -> None:
            self.lanes = lanes

        def reset(self, lane: int, start: Start) -> Observation:
            raise NotImplementedError

        def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
            raise NotImplementedError

    shard, _ = shard_of(Alone())
    with pytest.raises(PluginError, match="simulator Alone has no expert: it cannot demonstrate"):
        shard.demonstrate(7, 0, into=1)


def test_a_replay_ends_where_the_episode_was_and_writes_nothing_else() -> None:
    shard, slots = shard_of(Line(cameras=1))
    shard.reset(7, START, into=0)
    for slot, action in enumerate((0.5, -0.25)):
        decide(slots, slot, action)
        shard.step(7, slot, into=slot + 1)
    before = slots.read([0, 1], "observation", "result")
    shard.reset(9, Start("go", "train", 5), into=5)
    shard.replay(9, START, [0, 1], into=6)
    ended = slots.read([2, 6], "observation")
    for name, one in ended.items():
        np.testing.assert_array_equal(one[0], one[1], err_msg=name)
    for name, one in slots.read([0, 1], "observation", "result").items():
        np.testing.assert_array_equal(one, before[name], err_msg=name)
