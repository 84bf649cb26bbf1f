"""The MuJoCo module, imported so that a broken OpenGL setting cannot stop the physics."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, TypeAlias

MuJoCo: TypeAlias = Any
"""The module `mujoco`, 3.3 or later; it ships no types."""
Model: TypeAlias = Any
"""A `mujoco.MjModel`."""
Data: TypeAlias = Any
"""A `mujoco.MjData`."""


def load() -> MuJoCo:
    """Import MuJoCo and return it, with OpenGL only if the environment's choice is installed.

    MuJoCo refuses to be imported under a `MUJOCO_GL` whose libraries are missing; it is then
    imported without OpenGL, which physics and rays do not need.
    """
    try:
        return importlib.import_module("mujoco")
    except (AttributeError, ImportError, OSError, RuntimeError):
        return _load_without_gl()


def load_with(gl: str) -> MuJoCo:
    """Import MuJoCo to draw with the OpenGL platform `gl` and return it.

    Raises RuntimeError if this process has already imported it for another platform.
    """
    if "mujoco" in sys.modules and os.environ.get("MUJOCO_GL") != gl:
        raise RuntimeError(
            f"render: {gl!r} comes too late, this process imported mujoco without it; "
            f"set MUJOCO_GL={gl} in its environment or use render: ray"
        )
    os.environ["MUJOCO_GL"] = gl
    os.environ["PYOPENGL_PLATFORM"] = gl
    # Mesa's software rasteriser is no faster with threads, and hangs after a fork.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    return importlib.import_module("mujoco")


def _load_without_gl() -> MuJoCo:
    chosen = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = "disable"
    try:
        return importlib.import_module("mujoco")
    finally:
        if chosen is None:
            del os.environ["MUJOCO_GL"]
        else:
            os.environ["MUJOCO_GL"] = chosen
