"""The MuJoCo module, imported so that a broken OpenGL setting cannot stop the physics."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any, TypeAlias

from rlvla.plugins.simulators import opengl

if TYPE_CHECKING:
    from rlvla.plugins.simulators.opengl import Platform

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


def load_with(platform: Platform) -> MuJoCo:
    """Import MuJoCo to draw with an OpenGL platform and return it; see `opengl.claim`."""
    opengl.claim(platform)
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
