"""Metrics as lines of JSON, for scripts and for the run's report."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rlvla.core import history
from rlvla.plugins.loggers.appender import Appender

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(kw_only=True)
class Jsonl:
    """Append every row to `metrics.jsonl` in the run folder, at once.

    A number that JSON does not know (NaN, infinity) is written as null.
    """

    def __post_init__(self) -> None:
        self._file: Appender | None = None

    def start(self, run_dir: str, manifest: Mapping[str, object]) -> None:
        """Open the file, which holds the earlier rows if the run was resumed."""
        del manifest
        path = Path(run_dir) / history.HISTORY
        history.truncate(path, sys.maxsize)  # drops a row that a killed run left half written
        self._file = Appender(path)

    def log(self, row: Mapping[str, float | int | str]) -> None:
        """Append one row, or none of it and raise OSError."""
        if self._file is None:
            raise ValueError("the logger 'jsonl' was not started")
        text = json.dumps({name: _finite(value) for name, value in row.items()})
        self._file.write(f"{text}\n".encode())

    def close(self) -> None:
        """Close the file; nothing is left to flush."""
        if self._file is not None:
            self._file.close()


def _finite(value: float | int | str) -> float | int | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
