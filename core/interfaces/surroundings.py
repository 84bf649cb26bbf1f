"""Loggers and runtimes: what surrounds a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from rlvla.core.workers import Job, Workers


class Logger(Protocol):
    """Records metrics rows."""

    def start(self, run_dir: str, manifest: Mapping[str, object]) -> None:
        """Begin; `run_dir` exists."""
        ...

    def log(self, row: Mapping[str, float | int | str]) -> None:
        """Record one row; `row["step"]` is the version, names are like `train/loss`."""
        ...

    def close(self) -> None:
        """Flush and release."""
        ...


class Runtime(Protocol):
    """Makes the workers: objects here, processes, latency models or remote actors.

    A runtime that needs an event loop of its own kind has an attribute `loop_factory`, which
    makes one; a run on it then happens on such a loop.
    """

    def open(self, job: Job, logs: Path) -> AbstractAsyncContextManager[Workers]:
        """Start the workers; leaving the context ends them, whatever happened inside.

        What workers print goes into files in the folder `logs`.
        """
        ...
