"""Which renderer draws the images, and the one that uses OpenGL."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from rlvla.plugins.simulators.tabletop.ray import RayRenderer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rlvla.plugins.simulators.tabletop import RenderName
    from rlvla.plugins.simulators.tabletop.engine import Data, Model, MuJoCo

Backend: TypeAlias = Literal["egl", "osmesa", "ray"]

_CHOSEN = "RLVLA_TABLETOP_RENDER"
"""Environment variable with which a process tells its children what `auto` came to."""

_PROBE = """
import mujoco
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 2'/><geom size='1'/></worldbody></mujoco>"
)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 8, 8)
renderer.update_scene(data)
image = renderer.render()
renderer.close()
assert image.any()
print("drawn", flush=True)
"""


class Renderer(Protocol):
    """Draws square images of one size."""

    def render(self, data: Data, camera: str) -> NDArray[np.uint8]:
        """Return what `camera` sees, uint8 [size, size, 3], upright."""
        ...

    def close(self) -> None:
        """Release the renderer's resources."""
        ...


class GLRenderer:
    """MuJoCo's own renderer; belongs to the thread that makes it."""

    def __init__(self, mujoco: MuJoCo, model: Model, *, size: int) -> None:
        self._renderer = mujoco.Renderer(model, size, size)

    def render(self, data: Data, camera: str) -> NDArray[np.uint8]:
        """See `Renderer.render`."""
        self._renderer.update_scene(data, camera)
        image: NDArray[np.uint8] = self._renderer.render()
        return image

    def close(self) -> None:
        """Release the OpenGL context."""
        self._renderer.close()


def choose(name: RenderName) -> Backend:
    """Return the back end for the option `render`.

    `auto` tries EGL and OSMesa, each in a process of its own as a bad driver may abort or hang,
    and falls back to rays. Child processes inherit the answer. Raises RuntimeError if an OpenGL
    back end is named that does not work here.
    """
    if name == "ray":
        return "ray"
    if name == "auto":
        return _auto()
    if not draws(name):
        raise RuntimeError(
            f"render: {name!r} cannot draw on this machine; install OpenGL (Debian: apt-get "
            "install libegl1 libegl-mesa0 libgl1-mesa-dri, or libosmesa6) or use render: ray"
        )
    return name


def draws(backend: Literal["egl", "osmesa"], *, timeout_s: float = 20.0) -> bool:
    """Return whether a process of its own can draw with `backend`; takes about a second."""
    environment = os.environ | {
        "MUJOCO_GL": backend,
        "PYOPENGL_PLATFORM": backend,
        "LP_NUM_THREADS": "0",
    }
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return b"drawn" in probe.stdout


def build(backend: Backend, mujoco: MuJoCo, model: Model, *, size: int) -> Renderer:
    """Return the renderer of `backend`."""
    if backend == "ray":
        return RayRenderer(mujoco, model, size=size)
    return GLRenderer(mujoco, model, size=size)


def _auto() -> Backend:
    known: dict[str | None, Backend] = {"egl": "egl", "osmesa": "osmesa", "ray": "ray"}
    inherited = known.get(os.environ.get(_CHOSEN))
    if inherited is not None:
        return inherited
    chosen: Backend = "egl" if draws("egl") else "osmesa" if draws("osmesa") else "ray"
    os.environ[_CHOSEN] = chosen
    return chosen
