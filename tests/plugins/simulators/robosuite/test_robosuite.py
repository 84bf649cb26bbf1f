from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rlvla.core.component import OptionError, build, options_of
from rlvla.core.types import Start, encode_instruction
from rlvla.plugins.simulators.robosuite import Robosuite
from rlvla.plugins.simulators.robosuite.starts import seed_of
from rlvla.plugins.simulators.robosuite.tabletop import ALONE, Dice
from rlvla.plugins.simulators.robosuite.tasks import MEASURED, TASKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_each_task_is_told_in_words_of_its_own() -> None:
    assert len(TASKS) == len({task.words for task in TASKS.values()}) == 19
    for task in TASKS.values():
        encode_instruction(task.words)
    assert {*ALONE.values()} <= {*TASKS}


def test_protocols_are_those_of_robomimic() -> None:
    limits = {task: Robosuite(task=task).protocols[0].max_steps for task in MEASURED}
    assert limits == {
        "Lift": 400,
        "PickPlaceCan": 400,
        "NutAssemblySquare": 400,
        "TwoArmTransport": 700,
        "ToolHang": 700,
    }
    (protocol,) = Robosuite(task="PickPlaceCan").protocols
    assert (protocol.name, protocol.total) == ("robosuite_PickPlaceCan@v1", 50)
    assert not any(Robosuite(task=task).protocols for task in {*TASKS} - {*MEASURED})


@pytest.mark.parametrize(
    "options",
    [
        {"task": ["Lift", "Stack"]},
        {"max_steps": 100},
        {"hard_reset": "never"},
        {"robot": "Sawyer"},
        {"control_hz": 10.0},
    ],
)
def test_what_is_played_otherwise_is_measured_by_no_protocol(options: dict[str, Any]) -> None:
    assert not Robosuite(**options).protocols


def test_two_arms_show_and_take_twice_as_much_and_tools_take_no_grip() -> None:
    dims = {
        task: (spec.proprio, spec.action_dim)
        for task in ("Lift", "TwoArmLift", "Wipe", "TwoArmPegInHole")
        for spec in [Robosuite(task=task).spec]
    }
    assert dims == {
        "Lift": (8, 7),
        "TwoArmLift": (16, 14),
        "Wipe": (6, 6),
        "TwoArmPegInHole": (12, 12),
    }


def test_several_tasks_share_room_for_their_objects_and_are_told_apart_by_the_critic() -> None:
    spec = Robosuite(task=["Lift", "Stack", "Door"], observation="state").spec
    assert (spec.proprio, spec.privileged, dict(spec.cameras)) == (8 + 23, 8 + 23 + 3, {})
    assert spec.max_steps == 500


def test_no_seed_is_both_trained_and_measured() -> None:
    tasks, indices = ("Lift", "Stack"), range(50)
    measured = {seed_of(Start(task, "eval", index)) for task in tasks for index in indices}
    trained = {
        seed_of(Start(task, "train", index, seed))
        for task in tasks
        for index in indices
        for seed in range(4)
    }
    assert (len(measured), len(trained)) == (100, 400)
    assert {seed % 2 for seed in measured} == {0}
    assert {seed % 2 for seed in trained} == {1}


def test_dice_choose_alike_whatever_the_order_of_the_names() -> None:
    names = ["Milk", "Bread", "Cereal", "Can"]
    chosen = [
        [dice.choice(order) for _ in range(20)]
        for order in (names, names[::-1])
        for dice in [Dice(np.random.PCG64(3))]
    ]
    assert chosen[0] == chosen[1]
    assert {*chosen[0]} == {*names}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lanes": 0}, "lanes must be at least 1, got 0"),
        ({"size": 4}, "size must be between 8 and 1024, got 4"),
        ({"max_steps": 0}, "max_steps must be at least 1, got 0"),
        ({"control_hz": 0.5}, "control_hz must be from 1 to 500, got 0.5"),
        ({"spare": -1}, "spare must be at least 0, got -1"),
        ({"task": "lift"}, "task: robosuite has no task 'lift'; did you mean 'Lift'?"),
        ({"task": "Juggle"}, "no task 'Juggle'; it has Door, Lift, NutAssembly"),
        ({"task": []}, "task must name at least one and each once"),
        ({"task": ["Lift", "Lift"]}, "task must name .* each once, got Lift, Lift"),
        ({"task": ["Lift", "TwoArmLift"]}, "arms and grippers of all must be alike, got Lift, Two"),
        ({"task": ["Lift", "Wipe"]}, "arms and grippers of all must be alike, got Lift, Wipe"),
        ({"robot": "Pandas"}, "expected 'Panda' or 'Sawyer' .*, got 'Pandas'"),
        ({"cameras": ["agentsview"]}, "expected 'agentview' or .*, got 'agentsview'"),
        ({"cameras": ["agentview"] * 2}, "cameras must name .* each once, got agentview, agentv"),
        ({"instructions": {"lift": "go"}}, "instructions: robosuite has no task 'lift'"),
    ],
)
def test_wrong_options_are_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build(Robosuite, options)


def test_options_survive_the_way_to_a_worker() -> None:
    adapter = Robosuite(task=["Stack", "Door"], robot="IIWA", reward="dense", hard_reset="never")
    assert build(Robosuite, options_of(adapter)) == adapter


def test_pins_are_exact() -> None:
    assert "robosuite==1.5.2" in Robosuite.pins.requirements
    assert all(one.count("==") == 1 for one in Robosuite.pins.requirements)


def test_an_interpreter_without_the_package_is_told_what_to_install() -> None:
    with pytest.raises(RuntimeError, match="robosuite is not installed here; `rlvla sim install"):
        Robosuite().start(1)


@pytest.mark.parametrize(
    ("robosuite", "mujoco", "message"),
    [
        ("1.4.0", "3.3.0", r"robosuite 1\.5 is needed, here is 1\.4\.0; `rlvla sim install"),
        ("1.5.2", "3.9.0", r"1\.5\.2 runs with mujoco 3\.3 to 3\.8, here is 3\.9\.0; `rlvla sim"),
        ("1.5.2", "4.0.0", r"here is 4\.0\.0"),
        ("1.5.2", "3.2.7", r"here is 3\.2\.7"),
    ],
)
def test_versions_that_do_not_fit_are_told(
    robosuite: str, mujoco: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version in {"robosuite": robosuite, "mujoco": mujoco}.items():
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match=message):
        Robosuite().start(1)


def test_the_adapter_is_the_package(run_package_tests: Callable[[str], None]) -> None:
    """What needs the package, in the interpreter that has it."""
    run_package_tests("robosuite")
