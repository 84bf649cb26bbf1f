"""A renderer that needs no OpenGL: one MuJoCo ray for each pixel, shaded after Lambert.

It draws planes, boxes, capsules and cylinders in their plain colours; no textures, no shadows.
"""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LIGHT = np.array([0.3, -0.35, 1.0]) / math.sqrt(0.3**2 + 0.35**2 + 1.0)
_AMBIENT, _DIFFUSE = 0.55, 0.45
_SKY = (0.75, 0.80, 0.85)


class RayRenderer:
    """Draws the cameras of one model, square images of one size."""

    def __init__(self, mujoco: Any, model: Any, *, size: int) -> None:  # noqa: ANN401 (untyped)
        self._mujoco = mujoco
        self._model = model
        self._size = size
        self._vectors: dict[str, NDArray[np.float64]] = {}
        self._geom = np.zeros(size * size, np.int32)
        self._distance = np.zeros(size * size)
        # MuJoCo 3.5 gave mj_multiRay one more argument, the normals.
        self._normals = (None,) if "normal" in (inspect.getdoc(mujoco.mj_multiRay) or "") else ()
        self._colors = np.vstack([model.geom_rgba[:, :3], _SKY]) * 255
        self._flat = self._colors.copy()
        self._flat[:-1] *= _AMBIENT + _DIFFUSE * _LIGHT[2]
        self._flat = self._flat.round().astype(np.uint8)
        self._is_solid = np.append(model.geom_type != mujoco.mjtGeom.mjGEOM_PLANE, False)
        self._is_box = model.geom_type == mujoco.mjtGeom.mjGEOM_BOX
        self._is_capsule = model.geom_type == mujoco.mjtGeom.mjGEOM_CAPSULE

    def render(self, data: Any, camera: str) -> NDArray[np.uint8]:  # noqa: ANN401 (untyped MuJoCo)
        """Return what `camera` sees, uint8 [size, size, 3]; poses in `data` must be current."""
        number = self._model.camera(camera).id
        origin = data.cam_xpos[number]
        rays = self._rays(camera) @ data.cam_xmat[number].reshape(3, 3).T
        self._mujoco.mj_multiRay(
            self._model, data, origin, rays.reshape(-1), None, 1, -1,
            self._geom, self._distance, *self._normals, len(rays), 1e10,
        )  # fmt: skip
        image = self._flat[self._geom]
        solid = np.flatnonzero(self._is_solid[self._geom])
        points = origin + self._distance[solid, None] * rays[solid]
        image[solid] = self._shaded(data, self._geom[solid], points)
        return image.reshape(self._size, self._size, 3)

    def close(self) -> None:
        """Release nothing; there is nothing to release."""

    def _rays(self, camera: str) -> NDArray[np.float64]:
        """Return unit vectors through the middle of each pixel, in the camera's frame."""
        if camera not in self._vectors:
            half = math.tan(math.radians(float(self._model.camera(camera).fovy[0])) / 2)
            across = ((np.arange(self._size) + 0.5) / self._size * 2 - 1) * half
            x, y = np.meshgrid(across, -across)
            rays = np.stack([x, y, -np.ones_like(x)], axis=-1).reshape(-1, 3)
            self._vectors[camera] = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        return self._vectors[camera]

    def _shaded(
        self,
        data: Any,  # noqa: ANN401 (untyped MuJoCo)
        geom: NDArray[np.int32],
        points: NDArray[np.float64],
    ) -> NDArray[np.uint8]:
        frames = data.geom_xmat[geom].reshape(-1, 3, 3)
        local = np.einsum("nij,ni->nj", frames, points - data.geom_xpos[geom])
        towards = np.einsum("nij,i->nj", frames, _LIGHT)
        light = np.einsum("nj,nj->n", self._normal(geom, local), towards)
        shade = _AMBIENT + _DIFFUSE * np.clip(light, 0.0, None)
        shaded: NDArray[np.uint8] = (self._colors[geom] * shade[:, None]).astype(np.uint8)
        return shaded

    def _normal(self, geom: NDArray[np.int32], local: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return unit normals of boxes, capsules and upright cylinders at `local`, [n, 3]."""
        size = self._model.geom_size[geom]
        box, capsule = self._is_box[geom], self._is_capsule[geom]
        ratio = np.abs(local) / np.where(box[:, None], size, 1.0)
        axis = np.where(box, ratio.argmax(axis=1), 2)
        faces = np.where(np.arange(3) == axis[:, None], np.sign(local), 0.0)
        spine = np.clip(local[:, 2], -size[:, 1], size[:, 1])
        away = local - np.stack([np.zeros_like(spine), np.zeros_like(spine), spine], axis=1)
        round_ = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
        return np.where(capsule[:, None], round_, faces)
