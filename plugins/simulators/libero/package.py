"""The package `hf-libero`, brought to run without questions and downloads."""

from __future__ import annotations

import importlib
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

FOLDERS = (
    "articulated_objects",
    "scenes",
    "stable_hope_objects",
    "stable_scanned_objects",
    "textures",
    "turbosquid_objects",
)
"""What the assets consist of."""

WHENCE = (
    "LIBERO's package does not hold its models (about 200 MB); get them with `hf download "
    "--repo-type dataset lerobot/libero-assets --local-dir DIR` and say `assets: DIR`"
)


def root() -> Path:
    """Return where the package lies; raise RuntimeError if it is not installed here."""
    found = find_spec("libero")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError(
            "hf-libero is not installed here; `rlvla sim install libero` makes an environment for "
            "`python:` that has it"
        )
    return Path(found.submodule_search_locations[0]) / "libero"


def checked_assets(named: Path | None) -> Path:
    """Return where the assets are; raise RuntimeError that says where they come from."""
    place = root() / "assets" if named is None else named
    missing = [name for name in FOLDERS if not (place / name).is_dir()]
    if missing:
        raise RuntimeError(f"assets: {place} lacks {', '.join(missing)}; {WHENCE}")
    return place.absolute()


def load(assets: Path) -> Any:  # noqa: ANN401 - the package has no types
    """Import the package's environments, set to use these assets, and return their module."""
    os.environ["LIBERO_CONFIG_PATH"] = _configured().name
    os.environ["HF_HUB_OFFLINE"] = "1"
    made: Any = importlib.import_module("libero.libero")
    made._assets_path_cache = str(assets)
    return importlib.import_module("libero.libero.envs.env_wrapper")


@cache
def _configured() -> TemporaryDirectory[str]:
    """Write the configuration without which the package asks on standard input."""
    folder = TemporaryDirectory(prefix="rlvla-libero-")
    place = root()
    known = {"bddl_files": "bddl_files", "init_states": "init_files", "assets": "assets"}
    lines = [f"{name}: {place / where}" for name, where in known.items()]
    lines += [f"benchmark_root: {place}", f"datasets: {folder.name}"]
    (Path(folder.name) / "config.yaml").write_text("\n".join(lines) + "\n")
    return folder
