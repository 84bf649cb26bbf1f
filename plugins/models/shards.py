"""Whether files of weights are whole, told by their sizes and headers alone; imports no torch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "model.safetensors"
INDEX = f"{MODEL}.index.json"


def files_of(path: Path) -> list[Path]:
    """Return the files of a checkpoint's weights: one, or the parts that an index names.

    Raise ValueError if the index is none.
    """
    index = path / INDEX
    if not index.is_file():
        return [path / MODEL]
    try:
        parts: dict[str, str] = json.loads(index.read_text())["weight_map"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"checkpoint's file {index} has no weight_map: {error}") from None
    return [path / part for part in sorted(set(parts.values()))]


def refuse_cut(path: Path) -> None:
    """Raise ValueError if a file of the weights is not there or has not the size that it says."""
    for file in files_of(path):
        try:
            size, stated = file.stat().st_size, _stated_size(file)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"checkpoint's file {file} cannot be read: {error}") from None
        if size != stated:
            raise ValueError(
                f"checkpoint's file {file} cannot be read: it has {size} bytes, its header "
                f"says {stated}; copy it again"
            )


def _stated_size(file: Path) -> int:
    """Return the size of a safetensors file by its header: 8 bytes of length, JSON, numbers."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > file.stat().st_size:
            raise ValueError("it is not in the format of safetensors, or only its beginning")
        header: dict[str, dict[str, Any]] = json.loads(opened.read(length))
    ends = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
    return 8 + length + max(ends, default=0)
