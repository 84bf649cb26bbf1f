"""Where the interpreter is that has RoboCasa."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(name="robocasa_python", scope="session")
def find_robocasa_python() -> Path:
    """The interpreter that has the package `robocasa` and its models."""
    named = os.environ.get("RLVLA_ROBOCASA")
    if named is None or not (Path(named) / "bin" / "python").exists():
        pytest.skip(f"no robocasa with its models at {named}: set RLVLA_ROBOCASA")
    return Path(named) / "bin" / "python"
