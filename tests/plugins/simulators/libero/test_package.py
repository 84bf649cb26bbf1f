"""The adapter beside the package: runs where the package and LIBERO's models are."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlvla.core.testing import check_simulator, check_starts
from rlvla.core.types import Start
from rlvla.plugins.simulators import opengl
from rlvla.plugins.simulators.libero import Libero, package
from rlvla.plugins.simulators.libero.scene import REST
from rlvla.plugins.simulators.libero.states import read_states
from rlvla.plugins.simulators.libero.tasks import LIMITS, instruction, tasks_of

if find_spec("libero") is None:
    pytest.skip("needs the package hf-libero in this interpreter", allow_module_level=True)
if "RLVLA_LIBERO_ASSETS" not in os.environ:
    pytest.skip(f"RLVLA_LIBERO_ASSETS is not set: {package.WHENCE}", allow_module_level=True)

ASSETS = Path(os.environ["RLVLA_LIBERO_ASSETS"])
GOAL = "put_the_bowl_on_the_stove"
PLATFORM = opengl.available()
if PLATFORM is not None:
    opengl.claim(PLATFORM)
drawing = pytest.mark.skipif(PLATFORM is None, reason="no OpenGL draws on this machine")


def _libero(**options: Any) -> Libero:  # noqa: ANN401
    usual: dict[str, Any] = {"suite": "libero_goal", "task": [GOAL], "assets": ASSETS}
    return Libero(**usual | options)


def _actions(steps: int) -> Any:  # noqa: ANN401
    return np.random.default_rng(0).uniform(-1, 1, (steps, 7)).astype(np.float32)


def test_a_measured_episode_is_the_one_that_the_published_loop_plays() -> None:
    """State for state: seed, reset, published state, ten actions at rest, then the policy's."""
    index, size = 3, 64
    options: Any = {"size": size} if PLATFORM else {"cameras": []}
    adapter = _libero(**options)
    adapter.start(1)
    environments = package.load(package.checked_assets(ASSETS))
    name = environments.OffScreenRenderEnv if PLATFORM else environments.ControlEnv
    drawn: Any = {"camera_heights": size, "camera_widths": size} if PLATFORM else {
        "use_camera_obs": False, "has_offscreen_renderer": False
    }  # fmt: skip
    folder = package.root() / "bddl_files" / "libero_goal"
    theirs = name(bddl_file_name=str(folder / f"{GOAL}.bddl"), **drawn)
    states = read_states(package.root() / "init_files" / "libero_goal" / f"{GOAL}.pruned_init")
    theirs.seed(0)
    theirs.reset()
    theirs.set_init_state(states[index])
    told: Any = {}
    for _ in range(10):
        told = theirs.step(REST)[0]
    ours = adapter.reset(0, Start(GOAL, "eval", index))
    for camera, image in ours.images.items():
        turned: Any = told[f"{camera}_image"][::-1, ::-1]
        assert np.abs(image.astype(int) - turned).mean() < 1, "of things at rest"
    for action in _actions(12):
        np.testing.assert_array_equal(adapter.live.scene(0).state(), theirs.get_sim_state())
        assert ours.proprio[:3].tolist() == told["robot0_eef_pos"].astype(np.float32).tolist()
        assert ours.instruction == theirs.language_instruction
        result, told = adapter.step(0, action[None]), theirs.step(action)[0]
        ours = result.observation
    theirs.close()
    adapter.close()


def test_an_episode_is_the_same_whatever_was_played_before() -> None:
    adapter = _libero(cameras=[], hard_reset="never")
    adapter.start(1)
    ends = list[Any]()
    for _ in range(2):
        adapter.reset(0, Start(GOAL, "eval", 0))
        adapter.step(0, _actions(8))
        ends.append(adapter.live.scene(0).state())
        adapter.reset(0, Start(GOAL, "train", 7))
        adapter.step(0, _actions(20))
    np.testing.assert_array_equal(ends[0], ends[1])
    adapter.close()


def test_the_contract_is_kept() -> None:
    cameras: Any = ["agentview"] if PLATFORM else []
    check_simulator(
        _libero(cameras=cameras, size=16, shadows=False, hard_reset="never", max_steps=4),
        episodes=1,
    )


def test_what_is_measured_is_never_trained_on() -> None:
    """Neither what is shown nor the physical state, by far more than rounding."""
    check_starts(_libero(cameras=[], hard_reset="never"), starts=3)
    adapter = _libero(cameras=[], hard_reset="never")
    adapter.start(1)
    measured, trained = list[Any](), list[Any]()
    for index in range(4):
        for start, found in (
            (Start(GOAL, "eval", index), measured),
            (Start(GOAL, "train", index, 1), trained),
        ):
            adapter.reset(0, start)
            found.append(adapter.live.scene(0).state()[1:])
    nearest = min(float(np.abs(one - other).max()) for one in measured for other in trained)
    assert nearest > 1e-3
    adapter.close()


def test_every_task_has_fifty_published_states_that_all_differ() -> None:
    for suite in LIMITS:
        for task in tasks_of(suite):
            states = read_states(package.root() / "init_files" / suite / f"{task}.pruned_init")
            assert len(np.unique(states, axis=0)) == len(states) == 50


def test_names_and_words_are_those_of_the_package() -> None:
    package.load(package.checked_assets(ASSETS))
    benchmark: Any = import_module("libero.libero.benchmark")
    for suite in LIMITS:
        known: list[Any] = [*benchmark.task_maps[suite].values()]
        assert tuple(task.name for task in known) == tasks_of(suite)
        assert [task.language for task in known] == [*map(instruction, tasks_of(suite))]
