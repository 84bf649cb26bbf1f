"""The adapter beside the package: runs where package and models are, see `test_robocasa`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from rlvla.core.testing import check_simulator, check_starts
from rlvla.core.types import Start
from rlvla.plugins.simulators import opengl
from rlvla.plugins.simulators.robocasa import Robocasa, kitchen
from rlvla.plugins.simulators.robosuite.starts import seed_of

if find_spec("robocasa") is None:
    pytest.skip("needs the package robocasa in this interpreter", allow_module_level=True)
if (platform := opengl.available()) is None:
    pytest.skip("no OpenGL draws on this machine", allow_module_level=True)
opengl.claim(platform)  # before MuJoCo is imported
TASK = "CloseFridge"


@pytest.mark.parametrize(("split", "kitchens"), [("train", "pretrain"), ("eval", "target")])
def test_an_episode_is_the_one_that_the_package_plays_itself(split: Any, kitchens: str) -> None:  # noqa: ANN401
    adapter = Robocasa(task=TASK, size=64)
    adapter.start(1)
    start = Start(TASK, split, 0)
    seen = adapter.reset(0, start)
    ours = adapter.live.scene(0).env
    create: Any = import_module("robocasa.utils.env_utils").create_env
    theirs = create(TASK, split=kitchens, seed=seed_of(start))
    theirs.reset()
    assert seen.instruction == theirs.get_ep_meta()["lang"]
    actions = np.random.default_rng(0).uniform(-1, 1, (8, 12)).astype(np.float32)
    for action in actions:
        np.testing.assert_array_equal(
            ours.sim.get_state().flatten(), theirs.sim.get_state().flatten()
        )
        result = adapter.step(0, action[None])
        theirs.step(action)
        assert result.success == bool(theirs._check_success())
    adapter.close()
    theirs.close()


def test_the_contract_is_kept() -> None:
    check_simulator(Robocasa(task=TASK, size=16, max_steps=4), episodes=1)


def test_what_is_measured_is_never_trained_on() -> None:
    check_starts(Robocasa(task=TASK, size=16, measured="pretrain"), starts=2)


def test_kitchens_of_the_splits_have_none_in_common() -> None:
    adapter = Robocasa(task=TASK, size=16)
    adapter.start(1)
    drawn = dict[str, set[tuple[int, int]]]()
    for split, index in [("train", 0), ("train", 1), ("eval", 0), ("eval", 1)]:
        adapter.reset(0, Start(TASK, split, index))  # type: ignore[arg-type]  # one of both
        told = adapter.live.scene(0).env.get_ep_meta()
        drawn.setdefault(split, set()).add((told["layout_id"], told["style_id"]))
    assert drawn["eval"] <= {*kitchen.KITCHENS["target"]["layout_and_style_ids"]}
    assert not drawn["train"] & drawn["eval"]
    adapter.close()


def test_an_unknown_task_is_told_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="no task 'CloseFridges'; did you mean 'CloseFridge'"):
        Robocasa(task="CloseFridges").start(1)
