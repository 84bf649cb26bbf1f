"""Draws what cameras see, when somebody looks."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass
class Painter:
    """Cameras of a simulation, drawn by MuJoCo's renderer.

    The package's own draws after each action, and keeps hundreds of megabytes of a model that is
    compiled anew; this one is given back with it.
    """

    cameras: Sequence[str]
    size: int
    """Width and height in pixels."""
    shadows: bool
    """And smooth edges."""

    def __post_init__(self) -> None:
        self._model: Any = None
        self._renderer: Any = None
        self._look: Any = None

    def draw(self, sim: Any) -> dict[str, NDArray[np.uint8]]:  # noqa: ANN401
        """Return each camera's image of the package's `MjSim`, upright uint8 [size, size, 3]."""
        if not self.cameras:
            return {}
        if self._model is not sim.model._model:
            self.forget()
            self._take(sim.model._model)
        return {name: self._draw(sim, name) for name in self.cameras}

    def forget(self) -> None:
        """Release what belongs to a model."""
        if self._renderer is not None:
            self._renderer.close()
        self._model = self._renderer = None

    def _take(self, model: Any) -> None:  # noqa: ANN401
        mujoco = importlib.import_module("mujoco")
        known = [model.camera(at).name for at in range(model.ncam)]
        for name in self.cameras:
            if name not in known:
                raise ValueError(f"cameras: no {name!r} here, there are {', '.join(known)}")
        if not self.shadows:
            model.vis.quality.shadowsize = 0
            model.vis.quality.offsamples = 0
        room = model.vis.global_
        room.offwidth = max(room.offwidth, self.size)
        room.offheight = max(room.offheight, self.size)
        self._model, self._renderer = model, mujoco.Renderer(model, self.size, self.size)
        self._look = mujoco.MjvOption()
        self._look.geomgroup[0] = 0  # what collides, as the package hides it

    def _draw(self, sim: Any, camera: str) -> NDArray[np.uint8]:  # noqa: ANN401
        self._renderer.update_scene(sim.data._data, camera, self._look)
        image: NDArray[np.uint8] = self._renderer.render()
        return image
