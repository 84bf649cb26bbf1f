"""The run's only clock: the event loop's, so that a virtual loop makes the whole run virtual."""

from __future__ import annotations

import asyncio


def now() -> float:
    """Return seconds on the running loop's monotonic clock."""
    return asyncio.get_running_loop().time()


class Stopwatch:
    """How much of the time since the last `lap` something was busy.

    `begin` and `end` may nest: the worker is busy while at least one call is open.
    """

    def __init__(self) -> None:
        self._open = 0
        self._busy = 0.0
        self._since = self._lap = now()

    def begin(self) -> None:
        """Note that a call begins."""
        if self._open == 0:
            self._since = now()
        self._open += 1

    def end(self) -> None:
        """Note that a call ended."""
        self._open -= 1
        if self._open == 0:
            self._busy += now() - self._since

    def lap(self) -> float:
        """Return the busy share, 0 to 1, since the last lap, and start the next."""
        time = now()
        if self._open:
            self._busy += time - self._since
            self._since = time
        share = self._busy / max(time - self._lap, 1e-9)
        self._busy, self._lap = 0.0, time
        return min(share, 1.0)
