"""How fast a renderer draws the table here: `python -m rlvla.plugins.simulators.tabletop.frames
BACKEND` tells it as JSON, under the environment variables of `opengl.variables`."""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import TYPE_CHECKING

from rlvla.plugins.simulators.tabletop.embodiment import BODIES
from rlvla.plugins.simulators.tabletop.ray import RayRenderer
from rlvla.plugins.simulators.tabletop.render import GLRenderer
from rlvla.plugins.simulators.tabletop.scene import scene

if TYPE_CHECKING:
    from rlvla.plugins.simulators.tabletop import Color
    from rlvla.plugins.simulators.tabletop.engine import MuJoCo

SIZE = 64
SECONDS = 0.5


def measure(backend: str) -> dict[str, object]:
    """Return `frames_per_s`, and by what OpenGL they were drawn, `by`."""
    mujoco: MuJoCo = importlib.import_module("mujoco")
    colors: list[Color] = ["red", "green", "blue"]
    text = scene(colors, BODIES["gantry"], has_plate=False, size=SIZE, has_shadows=False)
    model = mujoco.MjModel.from_xml_string(text)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    renderer = (RayRenderer if backend == "ray" else GLRenderer)(mujoco, model, size=SIZE)
    image = renderer.render(data, "top")  # the first compiles shaders
    if not image.any():
        raise RuntimeError("it draws nothing but black")
    frames, began = 0, time.monotonic()
    while (passed := time.monotonic() - began) < SECONDS:
        renderer.render(data, "top")
        frames += 1
    told = "MuJoCo's rays" if backend == "ray" else _opengl()
    renderer.close()
    return {"frames_per_s": frames / passed, "by": told}


def _opengl() -> str:
    """Return what OpenGL calls itself, in the present context."""
    gl = importlib.import_module("OpenGL.GL")
    names = (gl.glGetString(name) for name in (gl.GL_RENDERER, gl.GL_VERSION))
    return ", ".join(name.decode() for name in names)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
