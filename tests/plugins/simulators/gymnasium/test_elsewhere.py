"""Environments of other packages, in the interpreter that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rlvla.core.elsewhere import elsewhere
from rlvla.plugins.simulators.gymnasium import Gymnasium

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_the_pins_are_exact_and_ask_for_no_torch() -> None:
    names = dict(one.split("==") for one in Gymnasium.pins.requirements)
    assert {"gymnasium", "gymnasium-robotics", "gym-pusht", "gym-aloha", "mujoco"} <= names.keys()
    assert "torch" not in names


def test_an_environment_of_a_package_that_is_not_there_is_told() -> None:
    missing = Gymnasium(env="nowhere:FetchReach-v4")
    with pytest.raises(ValueError, match=r"name by `python:` .*: No module named 'nowhere'"):
        _ = missing.spec
    with pytest.raises(ValueError, match=r"env 'nowhere/PushT-v0' cannot be made: .*nowhere"):
        _ = Gymnasium(env="nowhere/PushT-v0").spec


def test_an_environment_is_known_here_though_its_package_is_elsewhere(
    interpreter_of: Callable[[str], Path],
) -> None:
    pusht = Gymnasium(env="gym_pusht/PushT-v0", instruction="push the T onto its mark")
    told = elsewhere(pusht, interpreter_of("gymnasium"), within=120)
    assert told.tasks == ("gym_pusht/PushT-v0",)
    assert (told.spec.proprio, told.spec.max_steps, told.spec.control_hz) == (5, 300, 10)


def test_the_adapter_is_the_packages(run_package_tests: Callable[[str], None]) -> None:
    run_package_tests("gymnasium")
