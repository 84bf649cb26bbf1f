"""Where a checkpoint is; imports no torch."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

PACKAGED = "rlvla:"


def directory(checkpoint: str) -> Path:
    """Return the directory that the option names; raise FileNotFoundError if there is none."""
    name = checkpoint.removeprefix(PACKAGED)
    path = Path(str(files("rlvla.configs") / name)) if name != checkpoint else Path(checkpoint)
    for file in ("config.json", "model.safetensors"):
        if not (path / file).is_file() and not (path / f"{file}.index.json").is_file():
            raise FileNotFoundError(f"checkpoint {checkpoint!r} has no file {file} in {path}")
    return path
