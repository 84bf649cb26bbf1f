"""Which renderer draws the images, and the one that uses OpenGL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from rlvla.plugins.simulators import opengl
from rlvla.plugins.simulators.tabletop.ray import RayRenderer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rlvla.plugins.simulators.tabletop import RenderName
    from rlvla.plugins.simulators.tabletop.engine import Data, Model, MuJoCo

Backend: TypeAlias = Literal["egl", "osmesa", "ray"]


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
        return opengl.available() or "ray"
    try:
        return opengl.choose(name)
    except RuntimeError as error:
        raise RuntimeError(f"{error}, or use render: ray") from None


def build(backend: Backend, mujoco: MuJoCo, model: Model, *, size: int) -> Renderer:
    """Return the renderer of `backend`."""
    if backend == "ray":
        return RayRenderer(mujoco, model, size=size)
    return GLRenderer(mujoco, model, size=size)
