"""The MuJoCo module, imported so that a broken OpenGL setting cannot stop the physics."""

from __future__ import annotations

import importlib
import os
from typing import Any


def load(gl: str | None = None) -> Any:  # noqa: ANN401 (MuJoCo ships no types)
    """Import and return `mujoco`, version 3.3 or later.

    `gl` is the OpenGL platform to draw with, for a process that has not imported MuJoCo yet.
    Without it the environment's choice stands; MuJoCo refuses to be imported if that platform
    is not installed, and is then imported without any: physics and rays need none.
    """
    if gl is not None:
        os.environ["MUJOCO_GL"] = gl
        return importlib.import_module("mujoco")
    try:
        return importlib.import_module("mujoco")
    except (AttributeError, ImportError, OSError, RuntimeError):
        return _load_without_gl()


def _load_without_gl() -> Any:  # noqa: ANN401 (MuJoCo ships no types)
    chosen = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = "disable"
    try:
        return importlib.import_module("mujoco")
    finally:
        if chosen is None:
            del os.environ["MUJOCO_GL"]
        else:
            os.environ["MUJOCO_GL"] = chosen
