"""Environments of other packages, in the interpreter that has them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import rlvla
from rlvla.core.elsewhere import elsewhere
from rlvla.plugins.simulators.gymnasium import Gymnasium


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
    gymnasium_python: Path,
) -> None:
    pusht = Gymnasium(env="gym_pusht/PushT-v0", instruction="push the T onto its mark")
    told = elsewhere(pusht, gymnasium_python, within=60)
    assert told.tasks == ("gym_pusht/PushT-v0",)
    assert (told.spec.proprio, told.spec.max_steps, told.spec.control_hz) == (5, 300, 10)


def test_the_adapter_is_the_packages(gymnasium_python: Path) -> None:
    """What needs the packages, in the interpreter that has them."""
    tests = [gymnasium_python, "-m", "pytest", "--noconftest", "-q", "-c", "/dev/null"]
    done = subprocess.run(
        [*tests, "-p", "no:cacheprovider", Path(__file__).with_name("test_package.py")],
        env={**os.environ, "PYTHONPATH": str(Path(rlvla.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    assert " passed" in done.stdout
