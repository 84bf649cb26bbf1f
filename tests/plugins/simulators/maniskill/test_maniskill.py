from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rlvla.core.component import OptionError, build, options_of
from rlvla.core.types import Start, encode_instruction
from rlvla.plugins.simulators.maniskill import ManiSkill, package, starts
from rlvla.plugins.simulators.maniskill.tasks import BASIC, BRIDGE, MAIN, PLATE, TASKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STRANGE = (
    "25VisionImage", "25VisionTexture03", "25VisionTexture05", "25VisionWhole03",
    "25VisionWhole05", "25Carrot", "25Plate", "25Instruct", "25MultiCarrot", "25MultiPlate",
    "25Position", "25EEPose", "25PositionChangeTo",
)  # fmt: skip
FAMILIAR = ("25Main", "25Main_test", "25Carrot_train", "25MultiCarrot_train", "25MultiPlate_train")


def test_each_basic_task_is_told_in_words_of_its_own() -> None:
    words = [one.instruction for one in BASIC.values()]
    assert len({*words}) == len(words)
    for one in words:
        assert one is not None
        encode_instruction(one)


def test_training_on_the_plates_is_measured_in_every_way_that_makes_them_strange() -> None:
    known = {one.name: one for one in ManiSkill(task=MAIN).protocols}
    assert {*known} == {f"maniskill_{name}@v1" for name in (*STRANGE, *FAMILIAR)}
    assert {(len(one.tasks), one.total, one.max_steps) for one in known.values()} == {(1, 192, 80)}
    assert {one.tasks[0] for one in known.values()} == {*PLATE}


@pytest.mark.parametrize(
    ("task", "limit"),
    [("PutCarrotOnPlateInScene-v1", 60), ("PutEggplantInBasketScene-v1", 120)],
)
def test_a_scene_of_simpler_is_measured_by_its_24_episodes(task: str, limit: int) -> None:
    (protocol,) = ManiSkill(task=task).protocols
    assert (protocol.total, protocol.max_steps) == (24, limit)


def test_what_nobody_publishes_is_measured_by_no_protocol() -> None:
    assert not ManiSkill().protocols
    assert not ManiSkill(task=MAIN, max_steps=40).protocols
    assert not ManiSkill(task=[*BRIDGE]).protocols


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lanes": 0}, "lanes must be at least 1, got 0"),
        ({"size": 4}, "size must be between 8 and 1024, got 4"),
        ({"max_steps": 0}, "max_steps must be at least 1, got 0"),
        ({"spare": -1}, "spare must be at least 0, got -1"),
        ({"task": "PickCube"}, "no task 'PickCube'; did you mean 'PickCube-v1'?"),
        ({"task": "PickMoon-v1"}, "no task 'PickMoon-v1'; it has PickCube-v1, PushCube-v1"),
        ({"task": []}, "task must name at least one and each once"),
        ({"task": ["PickCube-v1"] * 2}, "task must name .* each once, got PickCube-v1, PickCube"),
        ({"task": ["PickCube-v1", MAIN]}, "task must name tasks of one robot, got PickCube-v1, P"),
        ({"task": MAIN, "observation": "state"}, "observation: PutOnPlate.* shows no state"),
        ({"task": "StackPyramid-v1", "reward": "dense"}, "StackPyramid-v1 pays only the sparse"),
        ({"task": "PegInsertionSide-v1", "physics": "cuda"}, "each scene of PegInsertionSide-v1"),
        ({"cameras": ["top"]}, "cameras: 'top' is none of base_camera, hand_camera"),
        ({"cameras": ["hand_camera"] * 2}, "cameras must name each once, got hand_camera, hand"),
        ({"control": "pd_joint_pos"}, "control: 'pd_joint_pos' is none of pd_ee_delta_pose, pd"),
        ({"task": MAIN, "control": "pd_ee_delta_pose"}, "'pd_ee_delta_pose' is none of arm_pd_ee"),
        ({"instructions": {"PickMoon": "go"}}, "instructions: ManiSkill has no task 'PickMoon'"),
    ],
)
def test_wrong_options_are_explained(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build(ManiSkill, options)


def test_options_survive_the_way_to_a_worker(tmp_path: Path) -> None:
    adapter = ManiSkill(task=MAIN, physics="cuda", reward="dense", assets=tmp_path, modules=["m"])
    assert build(ManiSkill, options_of(adapter)) == adapter


def test_a_robot_decides_what_is_shown_and_taken() -> None:
    panda, widowx = ManiSkill(control="pd_joint_delta_pos").spec, ManiSkill(task=MAIN).spec
    assert (panda.cameras, panda.proprio, panda.privileged) == ({"base_camera": (128, 128)}, 9, 42)
    assert (panda.action_dim, panda.control_hz) == (8, 20.0)
    assert (widowx.cameras, widowx.proprio) == ({"3rd_view_camera": (480, 640)}, 8)
    assert (widowx.action_dim, widowx.control_hz, widowx.max_steps) == (7, 5.0, 80)


def test_several_tasks_share_the_longest_limit_and_state_and_are_told_apart() -> None:
    spec = ManiSkill(task=["PickCube-v1", "PegInsertionSide-v1"]).spec
    assert (spec.max_steps, spec.privileged) == (100, 43 + 2)


def test_only_on_a_gpu_are_lanes_stepped_at_once() -> None:
    assert ManiSkill(physics="cuda").spec.batched
    assert not ManiSkill().spec.batched


@pytest.mark.parametrize("total", [1000, 802_816])
def test_numbers_that_are_measured_are_never_trained_on(total: int) -> None:
    measured = [starts.number(Start(MAIN, "eval", index), total) for index in range(58)]
    trained = {
        starts.number(Start(MAIN, "train", index, seed), total)
        for index in range(2000)
        for seed in range(2)
    }
    assert len({*measured}) == 58
    assert not {*measured} & trained
    assert 0 <= min(*measured, *trained) <= max(*measured, *trained) < total
    assert len(trained) > 0.9 * min(4000, total * 16 / 17)


def test_seeds_that_are_measured_are_never_trained_on() -> None:
    measured = {starts.seed(Start("PickCube-v1", "eval", index)) for index in range(500)}
    trained = {starts.seed(Start("PickCube-v1", "train", index, 3)) for index in range(500)}
    assert {one % 2 for one in measured} == {1}
    assert {one % 2 for one in trained} == {0}
    assert len(measured) == len(trained) == 500


def test_what_is_measured_whole_is_refused_in_training() -> None:
    task = "PutCarrotOnPlateInScene-v1"
    assert [starts.published(Start(task, "eval", index)) for index in range(24)] == [*range(24)]
    with pytest.raises(ValueError, match=r"all 24 episodes of PutCarrot.* it cannot be trained on"):
        starts.published(Start(task, "train", 0))


def test_an_interpreter_without_the_package_is_told_what_to_install() -> None:
    with pytest.raises(RuntimeError, match="mani_skill is not installed here; `rlvla sim install"):
        ManiSkill().start(1)


def test_missing_models_are_told_with_whence_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MS_ASSET_DIR", str(tmp_path))
    package.check_assets([*BASIC])
    with pytest.raises(RuntimeError, match=r"needs .*bridge_v2_real2sim_dataset, .* 82 MB from"):
        package.check_assets([MAIN])
    for name in TASKS[MAIN].needs:
        (tmp_path / "data" / package.ASSETS[name].folder).mkdir(parents=True)
    package.check_assets([MAIN])


@pytest.fixture(name="sapien")
def write_sapien(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a renderer in the place of the package's for processes that begin from now on."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("RLVLA_VULKAN_CPU", raising=False)

    def write(body: str) -> None:
        (tmp_path / "sapien.py").write_text(
            f"class render:\n    def RenderSystem(device):\n        {body}\n"
        )

    return write


def test_a_machine_that_cannot_draw_is_told_what_it_lacks(sapien: Callable[[str], None]) -> None:
    sapien("raise RuntimeError(f'no physical device {device}')")
    told = r"Vulkan cannot draw on the cpu \(RuntimeError: no physical device cpu\); .* Mesa 24\.3"
    with pytest.raises(RuntimeError, match=told):
        package.check_device("cpu")


def test_a_renderer_that_dies_is_survived_and_told(sapien: Callable[[str], None]) -> None:
    sapien("import os; os.abort()")
    with pytest.raises(RuntimeError, match="Vulkan cannot draw on the cpu"):
        package.check_device("cpu")


def test_a_machine_that_draws_is_asked_once(sapien: Callable[[str], None]) -> None:
    sapien("pass")
    package.check_device("cpu")
    sapien("raise RuntimeError")
    package.check_device("cpu")


def test_the_adapter_is_the_package(run_package_tests: Callable[[str], None]) -> None:
    """What needs the package, in the interpreter that has it."""
    run_package_tests("maniskill")
