"""A renderer that needs no OpenGL: one MuJoCo ray for each pixel, shaded after Lambert.

It draws boxes, capsules and upright cylinders over the endless table z = 0, in plain colours
without shadows. Rays are cast only where the sphere around a geom may be seen.
"""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.plugins.simulators.tabletop.engine import Data, Model, MuJoCo

_LIGHT = np.array([0.3, -0.35, 1.0]) / math.sqrt(0.3**2 + 0.35**2 + 1.0)
_AMBIENT, _DIFFUSE = 0.55, 0.45
_SKY = (0.75, 0.80, 0.85)


class RayRenderer:
    """Draws the cameras of one model, square images of one size."""

    def __init__(self, mujoco: MuJoCo, model: Model, *, size: int) -> None:
        self._mujoco = mujoco
        self._model = model
        self._size = size
        self._rays: dict[str, NDArray[np.float64]] = {}
        # MuJoCo 3.5 gave mj_multiRay one more argument, the normals.
        self._normals = (None,) if "normal" in (inspect.getdoc(mujoco.mj_multiRay) or "") else ()
        is_plane = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
        self._table = int(np.flatnonzero(is_plane)[0])
        self._solids = np.flatnonzero(~is_plane)
        self._is_box = model.geom_type == mujoco.mjtGeom.mjGEOM_BOX
        self._is_capsule = model.geom_type == mujoco.mjtGeom.mjGEOM_CAPSULE
        self._colors = np.vstack([model.geom_rgba[:, :3], _SKY]) * 255

    def render(self, data: Data, camera: str) -> NDArray[np.uint8]:
        """Return what `camera` sees, uint8 [size, size, 3]; poses in `data` must be current."""
        number = self._model.camera(camera).id
        origin = data.cam_xpos[number]
        rays = self._camera_rays(camera) @ data.cam_xmat[number].reshape(3, 3).T
        image = self._backdrop(rays)
        near = np.flatnonzero(self._may_hit(data, origin, rays))
        if len(near):
            geom, distance = self._cast(data, origin, rays[near])
            is_solid = (geom >= 0) & (geom != self._table)
            hit, geom = near[is_solid], geom[is_solid]
            points = origin + distance[is_solid, None] * rays[hit]
            image[hit] = self._shaded(data, geom, points)
        return image.reshape(self._size, self._size, 3)

    def close(self) -> None:
        """Release nothing; there is nothing to release."""

    def _camera_rays(self, camera: str) -> NDArray[np.float64]:
        """Return unit vectors through the middle of each pixel, in the camera's frame."""
        if camera not in self._rays:
            half = math.tan(math.radians(float(self._model.camera(camera).fovy[0])) / 2)
            across = ((np.arange(self._size) + 0.5) / self._size * 2 - 1) * half
            x, y = np.meshgrid(across, -across)
            rays = np.stack([x, y, -np.ones_like(x)], axis=-1).reshape(-1, 3)
            self._rays[camera] = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        return self._rays[camera]

    def _backdrop(self, rays: NDArray[np.float64]) -> NDArray[np.uint8]:
        lit = _AMBIENT + _DIFFUSE * _LIGHT[2]
        colors = np.stack([self._colors[-1], self._colors[self._table] * lit])
        backdrop: NDArray[np.uint8] = colors.astype(np.uint8)[(rays[:, 2] < 0).astype(np.intp)]
        return backdrop

    def _may_hit(
        self, data: Data, origin: NDArray[np.float64], rays: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return which rays pass through the sphere around a geom, bool [rays]."""
        away = data.geom_xpos[self._solids] - origin
        distance = np.maximum(np.linalg.norm(away, axis=1), 1e-9)
        sine = np.minimum(self._model.geom_rbound[self._solids] * 1.001 / distance, 1.0)
        cosine = np.where(sine < 1.0, np.sqrt(1.0 - sine**2), -1.0)
        hits: NDArray[np.bool_] = (rays @ (away / distance[:, None]).T >= cosine).any(axis=1)
        return hits

    def _cast(
        self, data: Data, origin: NDArray[np.float64], rays: NDArray[np.float64]
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the geom that each ray hits first, -1 for none, and its distance."""
        geom, distance = np.zeros(len(rays), np.int32), np.zeros(len(rays))
        self._mujoco.mj_multiRay(
            self._model, data, origin, rays.reshape(-1), None, 1, -1,
            geom, distance, *self._normals, len(rays), 1e10,
        )  # fmt: skip
        return geom, distance

    def _shaded(
        self, data: Data, geom: NDArray[np.int32], points: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        frames = data.geom_xmat[geom].reshape(-1, 3, 3)
        local = np.einsum("nij,ni->nj", frames, points - data.geom_xpos[geom])
        towards = np.einsum("nij,i->nj", frames, _LIGHT)
        light = np.einsum("nj,nj->n", self._normal(geom, local), towards)
        shade = _AMBIENT + _DIFFUSE * np.clip(light, 0.0, None)
        shaded: NDArray[np.uint8] = (self._colors[geom] * shade[:, None]).astype(np.uint8)
        return shaded

    def _normal(self, geom: NDArray[np.int32], local: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return unit normals at `local`, [n, 3]; of a cylinder, as if all of it were its lid."""
        size = self._model.geom_size[geom]
        is_box, is_capsule = self._is_box[geom], self._is_capsule[geom]
        share = np.abs(local) / np.where(is_box[:, None], size, 1.0)
        axis = np.where(is_box, share.argmax(axis=1), 2)
        face = np.where(np.arange(3) == axis[:, None], np.sign(local), 0.0)
        spine = local * (0.0, 0.0, 1.0)
        away = local - np.clip(spine, -size[:, 1:2], size[:, 1:2])
        bulge = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
        return np.where(is_capsule[:, None], bulge, face)
