"""The package `metaworld` and the MuJoCo that it runs with, checked before they are used."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from rlvla.plugins.simulators import opengl

if TYPE_CHECKING:
    from rlvla.plugins.simulators.metaworld import Metaworld

NEWEST_MUJOCO = (3, 8)
"""Later ones refuse the package's models: `could not broadcast`."""
ADVICE = "`rlvla sim install metaworld` makes an environment for `python:` that has both"


def prepare(options: Metaworld) -> None:
    """Make sure that what is needed is there, and choose an OpenGL if images are shown.

    Raises RuntimeError that says what to install.
    """
    version = _version("metaworld")
    if version is None:
        raise RuntimeError(f"metaworld is not installed here; {ADVICE}")
    mujoco = _version("mujoco") or "none"
    if _numbers(mujoco) > NEWEST_MUJOCO:
        newest = ".".join(map(str, NEWEST_MUJOCO))
        raise RuntimeError(
            f"metaworld {version} runs with mujoco 3.3 to {newest}, here is {mujoco}; {ADVICE}"
        )
    if options.shown_cameras:
        opengl.claim(opengl.choose(options.render))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
