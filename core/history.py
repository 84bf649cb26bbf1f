"""The metrics of a run over time: `metrics.jsonl`, one JSON object per line and training step."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HISTORY = "metrics.jsonl"


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a history, oldest first; none if the file does not exist.

    A last line that a killed run left half written is ignored, as is any that is not a row.
    """
    return [row for _, row in _rows(path)]


def truncate(path: Path, step: int) -> int:
    """Remove the rows after `step` and what is no row; return how many rows stay.

    A run that resumes from the checkpoint of `step` writes those rows again. The file is
    replaced as a whole, so nothing is lost if the run is killed meanwhile.
    """
    if not path.exists():
        return 0
    kept = [line for line, row in _rows(path) if row["step"] <= step]
    shorter = path.with_name(f".{path.name}.tmp")
    with shorter.open("wb") as file:
        file.writelines(kept)
        file.flush()
        os.fsync(file.fileno())
    shorter.replace(path)
    return len(kept)


def _rows(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            row = _row(line)
            if row is not None:
                yield line, row


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row: dict[str, Any] = json.loads(line)
        return row if line.endswith(b"\n") and isinstance(row["step"], int) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
