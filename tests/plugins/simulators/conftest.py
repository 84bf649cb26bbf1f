"""Where the interpreters are that have what cannot live beside rlvla's own pins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(name="metaworld_python", scope="session")
def find_metaworld_python() -> Path:
    """The interpreter that has the package `metaworld`; `make test` makes it."""
    named = os.environ.get("RLVLA_METAWORLD", str(ROOT / ".venv-metaworld"))
    python = Path(named) / "bin" / "python"
    if not python.exists():
        pytest.skip(
            f"no metaworld at {named}: `make .venv-metaworld/ready`, or set RLVLA_METAWORLD"
        )
    return python


@pytest.fixture(name="libero_python", scope="session")
def find_libero_python() -> Path:
    """The interpreter that has the package `hf-libero`, if LIBERO's models are at hand, too."""
    named = os.environ.get("RLVLA_LIBERO", str(ROOT / ".venv-libero"))
    python = Path(named) / "bin" / "python"
    if not python.exists() or "RLVLA_LIBERO_ASSETS" not in os.environ:
        pytest.skip(
            f"no hf-libero at {named} (set RLVLA_LIBERO), or no models (RLVLA_LIBERO_ASSETS)"
        )
    return python
