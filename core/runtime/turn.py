"""A turn at something that several processes share, such as a GPU: one call at a time."""

from __future__ import annotations

import fcntl
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.memory import map_shared

if TYPE_CHECKING:
    from collections.abc import Sequence
    from mmap import mmap
    from types import TracebackType

    from numpy.typing import NDArray

WAITING, USING = 0, 1

NO_TURN: AbstractContextManager[float] = nullcontext(0.0)
"""For who shares nothing."""


class Turn:
    """A context in which this process alone has the resource; nobody is passed over.

    Who wants it holds the lock of the waiting room first. So a process that has just given it
    back queues behind one that waited, although it could lock again before that one wakes.
    The locks are those of two bytes of a file, and end with their process. The file itself holds,
    for each resource, for how many seconds it was used so far.
    """

    def __init__(self, fd: int, number: int) -> None:
        self._fd = fd
        self._first = 2 * number
        self._number = number
        self._used = seconds_used(map_shared(fd))
        self._since = 0.0

    def __enter__(self) -> float:
        """Return for how many seconds it had to be waited for: 0 if it was free."""
        waited = self._take(WAITING) + self._take(USING)
        self._lock(fcntl.LOCK_UN, WAITING)
        self._since = time.monotonic()
        return waited

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._used[self._number] += time.monotonic() - self._since
        self._lock(fcntl.LOCK_UN, USING)

    def _take(self, byte: int) -> float:
        try:
            self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB, byte)
        except BlockingIOError:
            began = time.monotonic()
            self._lock(fcntl.LOCK_EX, byte)
            return time.monotonic() - began
        return 0.0

    def _lock(self, how: int, byte: int) -> None:
        fcntl.lockf(self._fd, how, 1, self._first + byte)


def turns_bytes(resources: int) -> int:
    """Return how large the file of so many resources is; it cannot be mapped if it is empty."""
    return 8 * max(resources, 1)


def used(names: Sequence[str], seconds: NDArray[np.float64]) -> dict[str, float]:
    """Return for how long each of these resources was used, by name."""
    return dict(zip(names, seconds.tolist(), strict=False))


def seconds_used(memory: mmap) -> NDArray[np.float64]:
    """Return for how long each resource was used, float64 [resources]; it goes on counting."""
    return np.ndarray((len(memory) // 8,), np.float64, memory)
