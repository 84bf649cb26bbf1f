from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rlvla.core.component import OptionError, build, options_of
from rlvla.core.registry import Components
from rlvla.core.types import Observation, Start, StepResult
from rlvla.plugins import simulators
from rlvla.plugins.simulators.tabletop import Tabletop
from rlvla.plugins.simulators.tabletop.starts import draw
from rlvla.plugins.simulators.tabletop.tasks import Goal, achieved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlvla.core.interfaces import ExpertSimulator
    from rlvla.plugins.simulators.tabletop import EmbodimentName, TaskName


@pytest.fixture(name="table")
def _table() -> Iterator[Tabletop]:
    table = Tabletop(task=["reach", "push", "pick_place"], observation="state")
    table.start(2)
    yield table
    table.close()


def _finish(table: ExpertSimulator, lane: int = 0) -> StepResult:
    while True:
        result = table.step(lane, table.expert(lane)[None])
        if result.terminated[0] or result.truncated[0]:
            return result


def _successes(table: Tabletop, task: str, episodes: int) -> int:
    wins = 0
    for index in range(episodes):
        table.reset(0, Start(task, "eval", index))
        wins += _finish(table).success
    return wins


@pytest.mark.parametrize("task", ["reach", "push", "pick_place"])
def test_expert_of_the_gantry_succeeds(table: Tabletop, task: str) -> None:
    assert _successes(table, task, 40) >= 38


@pytest.mark.parametrize("task", ["reach", "push", "pick_place"])
def test_expert_of_the_arm_succeeds(task: TaskName) -> None:
    table = Tabletop(task=task, embodiment="arm", observation="state")
    table.start(1)
    assert _successes(table, task, 10) == 10


@pytest.mark.parametrize("embodiment", ["gantry", "arm"])
def test_equal_starts_and_actions_give_equal_episodes(embodiment: EmbodimentName) -> None:
    table = Tabletop(embodiment=embodiment, max_steps=50)
    table.start(2)
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 2, 4)).astype(np.float32)
    start = Start("reach", "train", 3, 7)
    table.reset(1, Start("reach", "train", 4, 7))
    table.step(1, actions[0])
    one, two = table.reset(0, start), table.reset(1, start)
    for chunk in actions:
        _assert_same(one, two)
        one, two = table.step(0, chunk).observation, table.step(1, chunk).observation
    _assert_same(one, two)


def _assert_same(one: Observation, two: Observation) -> None:
    assert one.instruction == two.instruction
    assert one.privileged.tobytes() == two.privileged.tobytes()
    assert one.proprio.tobytes() == two.proprio.tobytes()
    assert all(np.array_equal(image, two.images[name]) for name, image in one.images.items())


def test_observations_are_what_the_spec_says() -> None:
    for options in ({}, {"observation": "state"}, {"task": ["reach", "pick_place"], "size": 32}):
        table = build(Tabletop, {"cameras": ["top", "front", "wrist"], **options})
        spec = table.spec
        table.start(1)
        seen = table.reset(0, Start("reach", "train", 0))
        assert {name: image.shape[:2] for name, image in seen.images.items()} == spec.cameras
        assert all(image.dtype == np.uint8 for image in seen.images.values())
        assert (seen.proprio.shape, seen.proprio.dtype.name) == ((spec.proprio,), "float32")
        assert (seen.privileged.shape, seen.privileged.dtype.name) == (
            (spec.privileged,),
            "float32",
        )
        assert np.abs(seen.privileged).max() <= 2.0
        action = table.expert(0)
        assert (action.shape, action.dtype.name) == ((spec.action_dim,), "float32")


def test_chunk_stops_at_success(table: Tabletop) -> None:
    table.reset(0, Start("reach", "train", 0))
    while not (result := table.step(0, np.repeat(table.expert(0)[None], 3, axis=0))).success:
        assert result.valid.all()
    last = int(result.terminated.argmax())
    assert result.valid.tolist() == [at <= last for at in range(3)]
    assert result.terminated.sum() == 1
    assert not result.truncated.any()
    assert result.reward.tolist() == [float(at == last) for at in range(3)]


def test_chunk_stops_at_the_time_limit() -> None:
    table = Tabletop(observation="state", max_steps=5)
    table.start(1)
    table.reset(0, Start("reach", "train", 0))
    up = np.tile(np.array([0, 0, 1, -1], np.float32), (3, 1))
    assert table.step(0, up).valid.all()
    result = table.step(0, up)
    assert result.valid.tolist() == [True, True, False]
    assert result.truncated.tolist() == [False, True, False]
    assert not result.success
    with pytest.raises(RuntimeError, match="lane 0 is at its episode's end; reset it first"):
        table.step(0, up)


def test_the_instruction_decides_what_success_is(table: Tabletop) -> None:
    """The same scene under the instruction for another cube: the old way earns nothing."""
    for index in range(10):
        layout = draw(Start("reach", "train", index), cubes=3, has_plate=True)
        other = replace(layout, goal=Goal("reach", (layout.goal.cube + 1) % 3))
        told, also_told = table.live.place(0, layout), table.live.place(1, other)
        assert told.instruction != also_told.instruction
        np.testing.assert_array_equal(told.proprio, also_told.proprio)
        while not (result := table.step(0, (action := table.expert(0)[None]))).success:
            assert not table.step(1, action).success
        assert result.reward[0] == 1.0
        assert not table.step(1, action).success
        table.live.place(1, other)
        assert _finish(table, 1).success


def test_a_push_the_other_way_is_no_success(table: Tabletop) -> None:
    table.reset(0, Start("push", "train", 0))
    assert _finish(table).success
    layout = draw(Start("push", "train", 0), cubes=3, has_plate=True)
    state = table.live.state(0)
    ways = ("to the left", "to the right", "forward", "back")
    wins = [achieved(replace(layout.goal, direction=way), state) for way in ways]
    assert wins == [way == layout.goal.direction for way in ways]


def test_shaped_reward_is_the_sparse_one_and_a_bounded_gain(table: Tabletop) -> None:
    shaped = Tabletop(task=["reach", "push", "pick_place"], observation="state", reward="shaped")
    shaped.start(1)
    for task in shaped.tasks:
        shaped.reset(0, Start(task, "train", 0))
        total = 0.0
        while not (result := shaped.step(0, shaped.expert(0)[None])).success:
            total += float(result.reward[0])
        total += float(result.reward[0])
        assert 1.0 < total < 4.0


def test_bad_actions_are_refused(table: Tabletop) -> None:
    table.reset(0, Start("reach", "train", 0))
    for actions in (np.full((1, 4), np.nan, np.float32), np.zeros((1, 7), np.float32)):
        with pytest.raises(ValueError, match=r"actions must be finite and \[C, 4\]"):
            table.step(0, actions)


def test_a_task_that_is_not_an_option_is_refused() -> None:
    table = Tabletop(observation="state")
    with pytest.raises(RuntimeError, match=r"tabletop is not started; call start\(lanes\) first"):
        table.reset(0, Start("reach", "train", 0))
    table.start(1)
    with pytest.raises(ValueError, match="task is one of reach, got 'push'"):
        table.reset(0, Start("push", "train", 0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lanes": 0}, "lanes must be at least 1, got 0"),
        ({"size": 4}, "size must be between 8 and 1024, got 4"),
        ({"max_steps": 0}, "max_steps must be at least 1, got 0"),
        ({"colors": []}, "colors must not be empty"),
        ({"task": ["reach", "reach"]}, "task must not repeat a name, got reach, reach"),
        ({"cameras": ["top", "top"]}, "cameras must not repeat a name, got top, top"),
        ({"shadows": True}, "shadows need render: egl, osmesa or auto"),
        ({"task": "rech"}, "reach"),
        ({"color": ["red"]}, "unknown key 'color'"),
    ],
)
def test_wrong_options_are_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build(Tabletop, options)


def test_options_survive_the_way_to_a_worker() -> None:
    table = Tabletop(task=["push"], colors=["yellow", "cyan"], max_steps=9)
    assert build(Tabletop, options_of(table)) == table


def test_it_registers_without_importing_the_simulator() -> None:
    components = Components()
    simulators.register(components)
    assert components.simulators["tabletop"] is Tabletop
    code = (
        "import sys; from rlvla.plugins.simulators.tabletop import Tabletop; Tabletop().spec;"
        "assert not {'mujoco', 'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
