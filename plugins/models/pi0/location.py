"""Where a checkpoint is, and of which kind; imports no torch."""

from __future__ import annotations

from pathlib import Path

from rlvla.plugins.models.directory import directory

FOLDER, METADATA = "params", "_METADATA"


def is_orbax(checkpoint: Path) -> bool:
    """Whether the checkpoint holds arrays, as openpi's JAX code saves them."""
    return (checkpoint / FOLDER / METADATA).is_file()


def located(checkpoint: str) -> Path:
    """Return the directory that the option names; raise ValueError if it holds no checkpoint."""
    path = Path(checkpoint)
    if is_orbax(path):
        return path
    if path.name == FOLDER and is_orbax(path.parent):
        raise ValueError(f"checkpoint must be the directory {path.parent}, not the {FOLDER} in it")
    if (path / FOLDER).is_dir():
        raise ValueError(f"checkpoint {checkpoint!r} has arrays of JAX without {FOLDER}/{METADATA}")
    try:
        return directory(checkpoint)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from None
