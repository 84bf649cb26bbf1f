"""Where a checkpoint is; imports no torch."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from rlvla.plugins.models.shards import refuse_cut

PACKAGED = "rlvla:"


def directory(checkpoint: str) -> Path:
    """Return the directory that the option names.

    Raise FileNotFoundError if there is none, ValueError if its weights are not whole.
    """
    name = checkpoint.removeprefix(PACKAGED)
    path = Path(str(files("rlvla.configs") / name)) if name != checkpoint else Path(checkpoint)
    for file in ("config.json", "model.safetensors"):
        if not (path / file).is_file() and not (path / f"{file}.index.json").is_file():
            raise FileNotFoundError(f"checkpoint {checkpoint!r} has no file {file} in {path}")
    refuse_cut(path)
    return path
