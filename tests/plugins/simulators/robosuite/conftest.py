"""Where the interpreter is that has robosuite."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]


@pytest.fixture(name="robosuite_python", scope="session")
def find_robosuite_python() -> Path:
    """The interpreter that has the package `robosuite`."""
    named = os.environ.get("RLVLA_ROBOSUITE", str(ROOT / ".venv-robosuite"))
    python = Path(named) / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no robosuite at {named}: `rlvla sim install robosuite`, set RLVLA_ROBOSUITE")
    return python
