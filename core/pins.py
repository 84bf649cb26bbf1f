"""What an environment for a simulator is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Pins:
    """The class attribute `pins` of a simulator that may want an environment of its own."""

    requirements: tuple[str, ...]
    """What pip installs, each as exact as `mujoco==3.3.0`."""
    megabytes: int
    """About how large the environment is on disk."""
    pythons: str = "3.10 or newer"
    """With which Pythons these requirements can be installed."""
    note: str = ""
    """What the user must still do, such as fetching assets."""


def pinned_beside(module: str) -> tuple[str, ...]:
    """Return what the file `requirements.txt` beside a module, named by its `__file__`, lists."""
    return tuple(Path(module).with_name("requirements.txt").read_text().split())
