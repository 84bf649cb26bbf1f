"""The package `robosuite` and the MuJoCo that it runs with, checked before they are used."""

from __future__ import annotations

import importlib
import logging
from importlib import metadata
from typing import Any

KNOWN = "1.5"
NEWEST_MUJOCO = (3, 8)
"""3.9 draws the package's scenes far too dark, later ones refuse them: `AssertionError`."""
ADVICE = "`rlvla sim install robosuite` makes an environment for `python:` that has both"


def check() -> None:
    """Raise RuntimeError that says what to install, if what is needed is not there."""
    version = version_of("robosuite")
    if version is None:
        raise RuntimeError(f"robosuite is not installed here; {ADVICE}")
    if not version.startswith(f"{KNOWN}."):
        raise RuntimeError(f"robosuite {KNOWN} is needed, here is {version}; {ADVICE}")
    check_mujoco(f"robosuite {version}", ADVICE)


def check_mujoco(what: str, advice: str) -> None:
    """Raise RuntimeError if the MuJoCo here is too new for robosuite's models."""
    mujoco = version_of("mujoco") or "none"
    numbers = tuple(int(part) for part in mujoco.split(".")[:2] if part.isdigit())
    if not (3, 3) <= numbers <= NEWEST_MUJOCO:
        newest = ".".join(map(str, NEWEST_MUJOCO))
        raise RuntimeError(f"{what} runs with mujoco 3.3 to {newest}, here is {mujoco}; {advice}")


def version_of(name: str) -> str | None:
    """Return the version of a distribution, None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def load() -> Any:  # noqa: ANN401 - the package has no types
    """Import the package, which is kept from telling of its options and configurations."""
    logging.getLogger("robosuite_logs").addFilter(_is_error)
    return importlib.import_module("robosuite")


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR
