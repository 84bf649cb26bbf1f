from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from rlvla.core.types import Start
from rlvla.plugins.simulators import opengl
from rlvla.plugins.simulators.tabletop import Tabletop, engine, render
from rlvla.plugins.simulators.tabletop.embodiment import BODIES, DRIVERS
from rlvla.plugins.simulators.tabletop.ray import RayRenderer
from rlvla.plugins.simulators.tabletop.scene import PALETTE, scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.plugins.simulators.tabletop import EmbodimentName, TaskName

_CAMERA_HEIGHT, _HALF_VIEW = 2.0, np.tan(np.radians(13.4 / 2))


def _pixel(point: NDArray[np.float64], size: int) -> tuple[int, int]:
    """Project a point through the overhead pinhole camera to (row, column)."""
    x, y = point[:2] / ((_CAMERA_HEIGHT - point[2]) * _HALF_VIEW)
    return int((1 - y) / 2 * size), int((1 + x) / 2 * size)


def test_ray_renderer_shows_each_colour_where_its_cube_is() -> None:
    table = Tabletop(colors=["red", "green", "blue", "yellow", "purple", "cyan"])
    table.start(1)
    shown = 0
    for index in range(10):
        image = table.reset(0, Start("reach", "train", index)).images["top"].astype(float)
        state = table.live.state(0)
        for color, cube in zip(table.colors, state.cubes, strict=True):
            pixel = image[_pixel(cube + np.array([0.0, 0.0, 0.022]), 64)]
            want = np.array(PALETTE[color])
            shown += bool(pixel @ want / np.linalg.norm(pixel) / np.linalg.norm(want) > 0.995)
    assert shown >= 50  # the hand hides a few


@pytest.mark.parametrize("embodiment", ["gantry", "arm"])
@pytest.mark.parametrize("task", ["reach", "push", "pick_place"])
def test_the_named_cube_stays_visible_at_the_start(
    embodiment: EmbodimentName, task: TaskName
) -> None:
    table = Tabletop(task=task, embodiment=embodiment)
    table.start(1)
    for index in range(30):
        seen = table.reset(0, Start(task, "eval", index))
        words = seen.instruction.split()
        color = np.array(next(PALETTE[name] for name in table.colors if name in words))
        image = seen.images["top"].astype(float)
        similar = image @ color / (np.linalg.norm(image, axis=-1) * np.linalg.norm(color))
        assert (similar > 0.99).sum() >= 8


def test_skipping_rays_past_the_solids_changes_no_pixel() -> None:
    mujoco = engine.load()
    for name in ("gantry", "arm"):
        text = scene(["red", "blue"], BODIES[name], has_plate=True, size=48, has_shadows=False)
        model = mujoco.MjModel.from_xml_string(text)
        data = mujoco.MjData(model)
        DRIVERS[name](mujoco, model).place(data, np.array([0.05, -0.1, 0.1]))
        mujoco.mj_forward(model, data)
        for camera in ("top", "front", "wrist"):
            fast = RayRenderer(mujoco, model, size=48).render(data, camera)
            np.testing.assert_array_equal(
                fast, _EveryRay(mujoco, model, size=48).render(data, camera)
            )


class _EveryRay(RayRenderer):
    def _may_hit(
        self, data: engine.Data, origin: NDArray[np.float64], rays: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        del data, origin
        return np.ones(len(rays), np.bool_)


def test_broken_opengl_setting_does_not_stop_the_ray_renderer() -> None:
    code = (
        "from rlvla.core.types import Start\n"
        "from rlvla.plugins.simulators.tabletop import Tabletop\n"
        "import os\n"
        "table = Tabletop(); table.start(1)\n"
        "assert table.reset(0, Start('reach', 'eval', 0)).images['top'].std() > 5\n"
        "assert os.environ['MUJOCO_GL'] == 'no-such-platform'\n"
    )
    environment = os.environ | {"MUJOCO_GL": "no-such-platform"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_opengl_that_comes_too_late_is_explained() -> None:
    engine.load()
    with pytest.raises(RuntimeError, match=r"render: '\w+' comes too late"):
        opengl.claim("osmesa" if os.environ.get("MUJOCO_GL") == "egl" else "egl")


@pytest.mark.parametrize("backend", ["egl", "osmesa"])
def test_named_opengl_either_draws_or_is_explained(backend: Literal["egl", "osmesa"]) -> None:
    if opengl.draws(backend):
        assert _colors_through(backend) == _colors_through("ray")
    else:
        with pytest.raises(RuntimeError, match=f"render: '{backend}' cannot draw on this machine"):
            render.choose(backend)


def _colors_through(backend: str) -> str:
    """Return the strongest channel at each cube, drawn in a process of its own."""
    code = (
        "from rlvla.core.types import Start\n"
        "from rlvla.plugins.simulators.tabletop import Tabletop\n"
        f"table = Tabletop(render={backend!r}); table.start(1)\n"
        "image = table.reset(0, Start('reach', 'eval', 1)).images['top'].astype(int)\n"
        "for cube in table.live.state(0).cubes:\n"
        "    row, column = int(32 - cube[1] * 136), int(32 + cube[0] * 136)\n"
        "    print(image[row, column].argmax())\n"
        "table.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.mark.parametrize(("gpu", "device"), [("0", "0"), ("512", "None"), ("0,1", "None")])
def test_the_gpu_of_a_worker_draws_its_images_where_egl_knows_it(gpu: str, device: str) -> None:
    if not opengl.draws("egl"):
        pytest.skip("EGL draws nothing on this machine")
    code = (
        "import os; from rlvla.plugins.simulators import opengl\n"
        "opengl.claim('egl'); print(os.environ.get('MUJOCO_EGL_DEVICE_ID'))\n"
        "assert opengl.draws('egl')"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": gpu}
    environment.pop("MUJOCO_EGL_DEVICE_ID", None)
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout == f"{device}\n"


def test_what_auto_came_to_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVLA_OPENGL", "osmesa")
    assert render.choose("auto") == "osmesa"


def test_auto_falls_back_to_rays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVLA_OPENGL", "")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert render.choose("auto") == "ray"
    assert os.environ["RLVLA_OPENGL"] == "none"
    assert render.choose("auto") == "ray"
