"""A turn at something that several processes share, such as a GPU: one call at a time."""

from __future__ import annotations

import fcntl
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

WAITING, USING = 0, 1

NO_TURN: AbstractContextManager[None] = nullcontext()
"""For who shares nothing."""


class Turn:
    """A context in which this process alone has the resource; nobody is passed over.

    Who wants it holds the lock of the waiting room first. So a process that has just given it
    back queues behind one that waited, although it could lock again before that one wakes.
    The locks are those of two bytes of a file, and end with their process.
    """

    def __init__(self, fd: int, number: int) -> None:
        self._fd = fd
        self._first = 2 * number

    def __enter__(self) -> None:
        self._lock(fcntl.LOCK_EX, WAITING)
        self._lock(fcntl.LOCK_EX, USING)
        self._lock(fcntl.LOCK_UN, WAITING)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock(fcntl.LOCK_UN, USING)

    def _lock(self, how: int, byte: int) -> None:
        fcntl.lockf(self._fd, how, 1, self._first + byte)
