"""The adapter beside the package: runs where the package is, see `test_robosuite`."""

from __future__ import annotations

import logging
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rlvla.core.testing import check_simulator, check_starts
from rlvla.core.types import Start
from rlvla.plugins.simulators import opengl
from rlvla.plugins.simulators.robocasa import Robocasa
from rlvla.plugins.simulators.robocasa.kitchen import ROBOT, SHOWN
from rlvla.plugins.simulators.robosuite import Robosuite
from rlvla.plugins.simulators.robosuite.scene import COMMON
from rlvla.plugins.simulators.robosuite.starts import seed_of
from rlvla.plugins.simulators.robosuite.tabletop import ALONE, Dice
from rlvla.plugins.simulators.robosuite.tasks import FINGERS, TASKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import StepResult

if find_spec("robosuite") is None:
    pytest.skip("needs the package robosuite in this interpreter", allow_module_level=True)
if (platform := opengl.available()) is not None:
    opengl.claim(platform)  # before MuJoCo is imported
robosuite: Any = import_module("robosuite")
logging.getLogger("robosuite_logs").setLevel(logging.ERROR)
drawing = pytest.mark.skipif(platform is None, reason="no OpenGL draws on this machine")


def _theirs(task: str, seed: int, **options: Any) -> Any:  # noqa: ANN401
    """Make an environment as the package is told to be used."""
    usual: dict[str, Any] = {"use_camera_obs": False, "has_offscreen_renderer": False}
    robots = ["Panda"] * TASKS[task].arms
    env = robosuite.make(task, robots=robots, hard_reset=False, seed=seed, **usual | options)
    if task.endswith("Single"):
        env.rng = Dice(env.rng.bit_generator)  # whose choice differs from process to process
    return env


def _start(env: Any, start: Start) -> Any:  # noqa: ANN401
    """Reset an environment of the common model, as a training episode does."""
    env.rng.bit_generator.state = np.random.default_rng(seed_of(start)).bit_generator.state
    return env.reset()


def _state(env: Any) -> NDArray[np.float64]:  # noqa: ANN401
    return np.array(env.sim.get_state().flatten())


def _actions(steps: int, env: Any) -> NDArray[np.float32]:  # noqa: ANN401
    return np.random.default_rng(0).uniform(-1, 1, (steps, env.action_dim)).astype(np.float32)


@pytest.mark.parametrize("split", ["train", "eval"])
@pytest.mark.parametrize("task", TASKS)
def test_an_episode_is_the_one_that_the_package_plays_itself(task: str, split: Any) -> None:  # noqa: ANN401
    """State for state, reward for reward; what is measured is a new environment with the seed."""
    adapter = Robosuite(task=task, observation="state", reward="dense", on_success="continue")
    adapter.start(1)
    start = Start(task, split, 3)
    adapter.reset(0, Start(task, "eval" if split == "train" else "train", 1))
    seen = adapter.reset(0, start)
    if split == "eval":
        theirs = _theirs(task, seed_of(start), reward_shaping=True)
        theirs.reset()
    else:
        theirs = _theirs(task, COMMON, reward_shaping=True)
        _start(theirs, start)
    for action in _actions(12, theirs):
        np.testing.assert_array_equal(_state(adapter.live.scene(0).env), _state(theirs))
        shown = theirs._get_observations(force_update=True)
        assert seen.proprio[:3].tolist() == shown["robot0_eef_pos"].astype(np.float32).tolist()
        told = shown["object-state"].astype(np.float32)
        np.testing.assert_array_equal(seen.proprio[-len(told) :], told)
        np.testing.assert_array_equal(seen.privileged, seen.proprio)
        result, (_, paid, _, _) = adapter.step(0, action[None]), theirs.step(action)
        assert result.reward[0] == np.float32(paid)
        assert result.success == bool(theirs._check_success())
        seen = result.observation
    adapter.close()
    theirs.close()


def _lift(adapter: Robosuite) -> list[StepResult]:
    """Take the cube and lift it, until the episode is over."""
    results = list[Any]()
    seen = adapter.live.scene(0).observe()
    while not (results and (results[-1].terminated[-1] or results[-1].truncated[-1])):
        hand, cube = seen.proprio[:3], seen.proprio[8:11]
        beside = float(np.linalg.norm((hand - cube)[:2]))
        closed = len(results) > 60
        height = cube[2] + (0.2 if closed else 0.0 if beside < 0.01 else 0.1)
        motion = np.clip((np.array([*cube[:2], height]) - hand) * 8, -0.5, 0.5)
        grip = 1.0 if len(results) > 50 else -1.0
        action = np.array([*motion, 0, 0, 0, grip], np.float32)
        results.append(adapter.step(0, action[None]))
        seen = results[-1].observation
    return results


def test_a_success_ends_an_episode_and_pays_once() -> None:
    lengths, paid = list[int](), list[list[int]]()
    for on_success in ("end", "continue"):
        options: Any = {"on_success": on_success, "observation": "state", "max_steps": 120}
        adapter = Robosuite(task="Lift", **options)
        adapter.start(1)
        adapter.reset(0, Start("Lift", "eval", 0))
        results = _lift(adapter)
        assert results[-1].success
        lengths.append(len(results))
        paid.append([at for at, one in enumerate(results) if one.reward[0]])
        assert adapter.live.scene(0).env._check_success()
        adapter.close()
    assert lengths[0] < lengths[1] == 120
    assert paid[0] == paid[1] == [lengths[0] - 1]


def test_every_registered_task_is_told_in_words() -> None:
    assert {*TASKS} == {*robosuite.ALL_ENVIRONMENTS}


@pytest.mark.parametrize("named", ["NutAssemblySingle", "NutAssemblySquare"])
def test_a_policy_is_told_what_it_was_taught(named: str) -> None:
    taught = {named: "nut to peg", "NutAssemblyRound": "nut to peg"}
    adapter = Robosuite(task="NutAssemblySingle", observation="state", instructions=taught)
    adapter.start(1)
    assert adapter.reset(0, Start("NutAssemblySingle", "train", 0)).instruction == "nut to peg"
    adapter.close()


def test_the_thing_that_is_drawn_is_told_and_is_the_same_in_every_process() -> None:
    code = """
from rlvla.core.types import Start
from rlvla.plugins.simulators.robocasa import Robocasa
from rlvla.plugins.simulators.robocasa.kitchen import ROBOT, SHOWN
from rlvla.plugins.simulators.robosuite import Robosuite
for task in ("NutAssemblySingle", "PickPlaceSingle"):
    adapter = Robosuite(task=task, observation="state")
    adapter.start(1)
    for index in range(8):
        seen = adapter.reset(0, Start(task, "train", index))
        print(seen.instruction, adapter.live.scene(0).env.obj_to_use, seen.proprio.tobytes().hex())
    adapter.close()
"""
    path = {"PYTHONPATH": str(Path(sys.modules["rlvla"].__file__ or "").parents[1])}
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**path, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    ]
    assert told[0] == told[1] == told[2]
    lines = [line.rsplit(maxsplit=2)[:2] for line in told[0].splitlines()]
    assert all(words == TASKS[ALONE[thing]].words for words, thing in lines)
    assert len({words for words, _ in lines}) >= 4


@drawing
@pytest.mark.parametrize("task", ["Lift", "NutAssembly", "PickPlaceCan", "TwoArmTransport"])
def test_an_image_is_the_one_that_the_package_draws_turned_upright(task: str) -> None:
    cameras: Any = ["agentview", "robot0_eye_in_hand", "birdview"]
    adapter = Robosuite(task=task, cameras=cameras, size=96, shadows=True)
    adapter.start(1)
    start = Start(task, "eval", 3)
    images = adapter.reset(0, start).images
    drawn: Any = {"use_camera_obs": True, "has_offscreen_renderer": True}
    sizes: Any = {"camera_heights": 96, "camera_widths": 96, "camera_names": cameras}
    theirs = _theirs(task, seed_of(start), **drawn, **sizes)
    shown = theirs.reset()
    for name, image in images.items():
        apart = np.abs(image.astype(int) - shown[f"{name}_image"][::-1])
        assert apart.mean() < 0.5, name
        assert image.std() > 10, name
    theirs.close()
    adapter.close()


@drawing
def test_a_camera_that_a_task_does_not_have_is_told_with_those_that_it_has() -> None:
    adapter = Robosuite(task="PickPlaceCan", cameras=["sideview"])
    adapter.start(1)
    with pytest.raises(ValueError, match=r"cameras: no 'sideview' here, there are frontview, bird"):
        adapter.reset(0, Start("PickPlaceCan", "train", 0))
    adapter.close()


@drawing
def test_the_contract_is_kept_in_images() -> None:
    check_simulator(Robosuite(task=["Lift", "Stack"], size=16, max_steps=6), episodes=1)


@pytest.mark.parametrize("task", TASKS)
def test_the_contract_is_kept_in_numbers(task: str) -> None:
    check_simulator(Robosuite(task=task, observation="state", max_steps=4), episodes=1)


@pytest.mark.parametrize("robot", FINGERS)
def test_the_contract_is_kept_by_every_robot(robot: Any) -> None:  # noqa: ANN401
    tasks = ["Lift", "Door"]
    options: Any = {"robot": robot, "observation": "state", "max_steps": 4, "control_hz": 10.0}
    check_simulator(Robosuite(task=tasks, **options), episodes=1)


def test_the_mobile_arm_shows_and_takes_what_robocasa_counts_on() -> None:
    """The order is that which RoboCasa asks of robosuite."""
    controllers: Any = import_module("robosuite.controllers")
    configured = controllers.load_composite_controller_config(controller=None, robot=ROBOT)
    order = ["right", "right_gripper", "base", "torso"]
    configured.setdefault("composite_controller_specific_configs", {})["body_part_ordering"] = order
    drawn: Any = {"use_camera_obs": False, "has_offscreen_renderer": False}
    env = robosuite.make("Lift", robots=ROBOT, controller_configs=configured, **drawn)
    spec = Robocasa(task="CloseFridge").spec
    shown = env.reset()
    assert sum(len(shown[name]) for name in SHOWN) == spec.proprio
    low, high = env.action_spec
    assert (tuple(low), tuple(high)) == (spec.action_low, spec.action_high)
    parts = env.robots[0].composite_controller._action_split_indexes
    assert parts == {"right": (0, 6), "right_gripper": (6, 7), "base": (7, 10), "torso": (10, 11)}
    env.close()


@pytest.mark.parametrize("hard_reset", ["never", "evaluation", "always"])
def test_what_is_measured_is_never_trained_on(hard_reset: Any) -> None:  # noqa: ANN401
    tasks = ["Lift", "PickPlaceCan", "NutAssemblySingle"]
    check_starts(Robosuite(task=tasks, observation="state", hard_reset=hard_reset), starts=3)


def test_only_hard_resets_draw_the_size_of_the_cube() -> None:
    sizes = dict[str, set[float]]()
    for hard_reset in ("never", "evaluation"):
        adapter = Robosuite(task="Lift", observation="state", hard_reset=hard_reset)
        adapter.start(1)
        for split in ("train", "eval"):
            for index in range(3):
                adapter.reset(0, Start("Lift", split, index))
                model = adapter.live.scene(0).env.sim.model
                size = model.geom_size[model.geom_name2id("cube_g0")][0]
                sizes.setdefault(f"{hard_reset} {split}", set()).add(float(size))
        adapter.close()
    assert {name: len(one) for name, one in sizes.items()} == {
        "never train": 1,
        "never eval": 1,
        "evaluation train": 1,
        "evaluation eval": 3,
    }


@drawing
def test_memory_does_not_grow_with_hard_resets() -> None:
    adapter = Robosuite(task="NutAssembly", size=64)
    adapter.start(1)
    used = list[int]()
    for index in range(8):
        adapter.reset(0, Start("NutAssembly", "eval", index))
        used.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024)
    adapter.close()
    assert used[-1] - used[1] < 200, f"MB after each reset: {used}"
