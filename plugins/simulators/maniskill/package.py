"""The package `mani_skill`, brought to run without questions and downloads."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlvla.plugins.simulators.maniskill.tasks import TASKS, environment

if TYPE_CHECKING:
    from rlvla.plugins.simulators.maniskill import ManiSkill

ADVICE = "`rlvla sim install maniskill` makes an environment for `python:` that has it"
DRAWN = b"drawn"
_PROBE = "import sapien; sapien.render.RenderSystem({device!r}); print('drawn', flush=True)"
_CHOSEN = "RLVLA_VULKAN_{device}"
"""Environment variable with which a process tells its children that it could draw."""


@dataclass(frozen=True)
class Asset:
    """Models that are not in the package's wheel."""

    folder: str
    """Where the package looks for them, below `data` of the folder of all assets."""
    whence: str
    """How the user gets them, and how large they are."""


ASSETS = {
    "bridge_v2_real2sim": Asset(
        "tasks/bridge_v2_real2sim_dataset",
        "82 MB from huggingface.co: `python -m mani_skill.utils.download_asset bridge_v2_real2sim`",
    ),
    "widowx": Asset(
        "robots/widowx",
        "from github.com/haosulab: `python -m mani_skill.utils.download_asset widowx250s`",
    ),
}


def prepare(options: ManiSkill) -> None:
    """Import the package; raise RuntimeError that says what is missing and whence it comes.

    Nothing is downloaded: the package would, after a question on standard input, or without one
    if `MS_SKIP_ASSET_DOWNLOAD_PROMPT` is set.
    """
    try:
        metadata.version("mani_skill")
    except metadata.PackageNotFoundError:
        raise RuntimeError(f"mani_skill is not installed here; {ADVICE}") from None
    os.environ.pop("MS_SKIP_ASSET_DOWNLOAD_PROMPT", None)
    if options.assets is not None:
        os.environ["MS_ASSET_DIR"] = str(options.assets.absolute())
    check_assets(options.measured)
    # Mesa's software rasteriser is no faster with threads for one small image at a time.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    check_device(options.physics)
    importlib.import_module("mani_skill.envs")
    for module in options.modules:
        importlib.import_module(module)


def check_assets(tasks: list[str]) -> None:
    """Raise RuntimeError unless the models that `tasks` need are there."""
    root = Path(os.environ.get("MS_ASSET_DIR", Path.home() / ".maniskill")) / "data"
    for task in tasks:
        for asset in (ASSETS[name] for name in TASKS[task].needs):
            if not (root / asset.folder).is_dir():
                raise RuntimeError(
                    f"task: {task} needs {root / asset.folder}, which is not there; it comes "
                    f"{asset.whence}, or say `assets: DIR` if you have it in DIR/data"
                )


def check_device(device: str) -> None:
    """Raise RuntimeError unless a process of its own can draw with `device`, cpu or cuda.

    The package asks for a device that draws even if nothing is shown.
    """
    known = _CHOSEN.format(device=device.upper())
    if os.environ.get(known):
        return
    told = _probed(device)
    if DRAWN not in told:
        reason = told.decode(errors="replace").strip().rpartition("\n")[2] or "no answer"
        advice = (
            "on a CPU that takes Mesa 24.3 or newer, whose lavapipe has "
            "VK_KHR_external_semaphore_fd (Debian 13: apt-get install mesa-vulkan-drivers)"
            if device == "cpu"
            else "that takes an NVIDIA driver with its Vulkan library"
        )
        raise RuntimeError(f"maniskill: Vulkan cannot draw on the {device} ({reason}); {advice}")
    os.environ[known] = "1"


def _probed(device: str) -> bytes:
    """Return what a process said that tried to draw."""
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE.format(device=device)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60.0,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return b"no answer in a minute"
    return probe.stdout


def make(options: ManiSkill, task: str, scenes: int) -> Any:  # noqa: ANN401 - it has no types
    """Make the package's environment of a task, of so many scenes, without any wrapper.

    Raises RuntimeError if nobody has registered it, or if it takes other actions than expected.
    """
    gymnasium = importlib.import_module("gymnasium")
    known, name = TASKS[task], environment(task)
    if name not in gymnasium.registry:
        raise RuntimeError(
            f"task: mani_skill has no {name}; name the modules that register it in `modules` "
            "(RLinf's plates: rlinf.envs.maniskill.tasks.variants)"
        )
    if known.state:
        told: dict[str, object] = {
            "obs_mode": "rgb+state_dict" if options.shown_cameras else "state_dict",
            "robot_uids": options.robot_uid(task),
            "sensor_configs": {"width": options.size, "height": options.size},
        }
    else:
        told = {"obs_mode": "rgb+segmentation"}  # which the package lays a photograph behind
    made = gymnasium.make(
        name,
        num_envs=scenes,
        sim_backend=f"physx_{options.physics}",
        render_backend=f"sapien_{options.physics}",
        control_mode=options.controlled,
        reward_mode="normalized_dense" if known.state and options.reward == "dense" else "none",
        **told,
        **known.kwargs,
    ).unwrapped
    _check_actions(options, made.single_action_space)
    for goal in made._hidden_objects:  # which nothing else tells a policy that sees
        goal.show_visual()
    made._hidden_objects.clear()
    return made


def _check_actions(options: ManiSkill, space: Any) -> None:  # noqa: ANN401
    spec = options.spec
    expected = np.array([spec.action_low, spec.action_high])
    bounds = np.array([space.low, space.high])
    if bounds.shape != expected.shape or not np.allclose(bounds, expected):
        raise RuntimeError(
            f"control: {options.controlled} takes actions between {bounds.tolist()}, not "
            f"{expected.tolist()}; the tables are those of another version of mani_skill"
        )
