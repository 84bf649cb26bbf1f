"""What draws on this machine, and how fast, for `rlvla doctor`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from rlvla.core.diagnosis import Diagnosis
from rlvla.plugins.simulators import opengl

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = "renderers"
TIMEOUT_S = 20.0
OURS = {
    "egl": f"apt-get install {opengl.INSTALL['egl']}",
    "osmesa": f"apt-get install {opengl.INSTALL['osmesa']}",
    "ray": "pip install --force-reinstall mujoco",
}
"""What `render` may be, in the order in which `auto` tries them, and how to have it draw."""
DISPLAYS = frozenset({"DISPLAY", "WAYLAND_DISPLAY"})


def diagnose() -> Iterator[Diagnosis]:
    """Draw the tabletop by each renderer, each in a process of its own: some abort or hang."""
    auto = ", which `render: auto` takes"
    for backend, advice in OURS.items():
        one = _tried(backend, advice)
        yield replace(one, told=one.told + auto) if one.works else one
        auto = "" if one.works else auto
    if DISPLAYS & {*os.environ}:
        yield _tried("glfw", "see to the display; nothing of rlvla's needs it")
    else:
        told = "not tried: without a display it cannot draw; nothing of rlvla's needs it"
        yield Diagnosis(part=PART, name="glfw", works=None, told=told)


def _tried(backend: str, advice: str) -> Diagnosis:
    try:
        return Diagnosis(part=PART, name=backend, works=True, told=_measured(backend))
    except RuntimeError as error:
        return Diagnosis(part=PART, name=backend, works=False, told=str(error), advice=advice)


def _measured(backend: str) -> str:
    """Return how fast it draws and what; raise RuntimeError that says how it failed."""
    platform = "disable" if backend == "ray" else backend
    try:
        done = subprocess.run(
            [sys.executable, "-m", "rlvla.plugins.simulators.tabletop.frames", backend],
            env=os.environ | opengl.variables(platform),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"drew nothing within {TIMEOUT_S:g} s") from error
    answer = next((line for line in done.stdout.splitlines() if line.startswith("{")), None)
    if answer is None:
        last = (done.stderr.strip().splitlines() or ["no last words"])[-1]
        raise RuntimeError(f"ended with exit code {done.returncode}: {last}")
    told = json.loads(answer)
    return f"{told['frames_per_s']:.0f} frames/s of 64 px, by {told['by']}"
