"""A simulator that plays in this process, for commands that have no workers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rlvla.core.errors import PreflightError

if TYPE_CHECKING:
    from collections.abc import Generator

    from rlvla.core.interfaces import Simulator


@contextmanager
def started(simulator: Simulator, lanes: int) -> Generator[None]:
    """Start a simulator, and close it in the end.

    Raise PreflightError if it cannot be started, with what it says that is missing.
    """
    try:
        simulator.start(lanes)
    except (ImportError, RuntimeError) as error:
        raise PreflightError(f"simulator: {error}") from error
    try:
        yield
    finally:
        simulator.close()
