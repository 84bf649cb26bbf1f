"""RoboCasa and its models, which the user supplies; checked before they are used."""

from __future__ import annotations

import importlib
import inspect
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rlvla.plugins.simulators.robosuite import package

FOLDERS = ("textures", "fixtures", "objects/objaverse", "objects/lightwheel")
"""Of models and textures."""

SOURCES = (
    "neither RoboCasa nor the robosuite that it needs is on the package index; in an environment "
    "of Python 3.11 for `python:`, clone and `pip install -e` "
    "https://github.com/ARISE-Initiative/robosuite (its master) and then "
    "https://github.com/robocasa/robocasa (1.0, which draws torch)"
)
MODELS = (
    "get about 10 GB by `python -m robocasa.scripts.download_kitchen_assets`; where that does not "
    "find lightwheel's, unpack fixtures_lightwheel/*.zip into fixtures and "
    "objects_lightwheel/*.zip into objects/lightwheel, from "
    "https://huggingface.co/datasets/nvidia/PhysicalAI-Robotics-Manipulation-Objects-Kitchen-MJCF"
)


def check() -> None:
    """Raise RuntimeError that says what is missing and whence it comes; import nothing."""
    found = find_spec("robocasa")
    if found is None or found.origin is None:
        raise RuntimeError(f"robocasa is not installed here: {SOURCES}")
    assets = Path(found.origin).parent / "models" / "assets"
    missing = [name for name in FOLDERS if not _is_filled(assets / name)]
    if missing:
        raise RuntimeError(f"robocasa's models: {assets} lacks {', '.join(missing)}; {MODELS}")
    if package.version_of("robosuite") is None:
        raise RuntimeError(f"robosuite is not installed here: {SOURCES}")


def load() -> Any:  # noqa: ANN401 - the packages have no types
    """Import both, which registers the tasks, and return robosuite.

    Raises RuntimeError if that is the released robosuite: its version is the same.
    """
    robosuite = package.load()
    base = importlib.import_module("robosuite.environments.base")
    if "load_model_on_init" not in inspect.signature(base.MujocoEnv).parameters:
        raise RuntimeError(f"this robosuite is older than RoboCasa needs: {SOURCES}")
    importlib.import_module("robocasa")
    return robosuite


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
