"""Which OpenGL platform draws on this machine, found out without harm."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Literal, TypeAlias

Platform: TypeAlias = Literal["egl", "osmesa"]

INSTALL = {"egl": "libegl1 libegl-mesa0 libgl1-mesa-dri", "osmesa": "libosmesa6"}
"""Packages of Debian and Ubuntu without which a platform does not draw on a CPU."""

_CHOSEN = "RLVLA_OPENGL"
"""Environment variable with which a process tells its children what `auto` came to."""

_DEVICE = "MUJOCO_EGL_DEVICE_ID"

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


def variables(platform: str) -> dict[str, str]:
    """Return the environment variables with which a process draws by `platform`.

    Mesa's software rasteriser is no faster with threads, and hangs after a fork.
    """
    return {"MUJOCO_GL": platform, "PYOPENGL_PLATFORM": platform, "LP_NUM_THREADS": "0"}


def draws(platform: Platform, *, device: str | None = None, timeout_s: float = 20.0) -> bool:
    """Return whether a process of its own can draw with `platform`; takes about a second.

    `device` is the number that EGL gives to what draws; None: whichever does.
    """
    environment = os.environ | variables(platform)
    if device is not None:
        environment[_DEVICE] = device
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


def available() -> Platform | None:
    """Return the first platform that draws; child processes inherit the answer."""
    if not os.environ.get(_CHOSEN):
        os.environ[_CHOSEN] = "egl" if draws("egl") else "osmesa" if draws("osmesa") else "none"
    known: dict[str, Platform] = {"egl": "egl", "osmesa": "osmesa"}
    return known.get(os.environ[_CHOSEN])


def choose(name: Literal["auto", "egl", "osmesa"]) -> Platform:
    """Return the platform for the option `render`; raise RuntimeError if nothing draws here."""
    chosen = available() if name == "auto" else name if draws(name) else None
    if chosen is None:
        raise RuntimeError(
            f"render: {name!r} cannot draw on this machine; install OpenGL (Debian: apt-get "
            f"install {INSTALL['egl']}, or {INSTALL['osmesa']})"
        )
    return chosen


def claim(platform: Platform) -> None:
    """Set this process to draw with `platform`; raise RuntimeError if MuJoCo has chosen another."""
    if "mujoco" in sys.modules and os.environ.get("MUJOCO_GL") != platform:
        raise RuntimeError(
            f"render: {platform!r} comes too late, this process imported mujoco without it; "
            f"set MUJOCO_GL={platform} in its environment"
        )
    os.environ.update(variables(platform))
    if platform == "egl":
        _claim_device()


def _claim_device() -> None:
    """Draw on the GPU that this process was given, where EGL knows one by its number."""
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if gpu.isdigit() and _DEVICE not in os.environ and draws("egl", device=gpu):
        os.environ[_DEVICE] = gpu
