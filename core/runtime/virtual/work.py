"""What a call costs a worker and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rlvla.core.runtime.virtual.resources import Ticket

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from rlvla.core.runtime.virtual.resources import Claim, Rendezvous, Units


class Stage(NamedTuple):
    """A part of a call; the ranks of a worker go through it each alone and end it together."""

    seconds: float = 0.0
    """How long a rank holds what it claims."""
    times: int = 1
    """How often it does; it lets go in between."""
    until: float = 0.0
    """Wait for this time instead, holding nothing."""
    meeting: Rendezvous | None = None
    """Meet others instead."""


@dataclass(slots=True)
class Work:
    """One call that a worker is at."""

    stages: Sequence[Stage]
    finish: Callable[[], Any]
    """Writes what the call writes, when it ends, and returns the answer."""
    tear: Callable[[], None] | None = None
    """Leaves that half written, when the worker dies in the middle."""
    waited_s: float = 0.0
    """How long its ranks waited for what they claim; known when it ends."""
    beside: float | None = None
    """Seconds after the stages until it is finished; the worker goes on with other calls."""


class Rank:
    """One process of a worker; it holds what it claims while it works."""

    __slots__ = (
        "_asked",
        "_done",
        "_left",
        "_seconds",
        "_ticket",
        "_timer",
        "_units",
        "busy",
        "waited",
    )

    def __init__(self, units: Units, claim: Claim, done: Callable[[], None]) -> None:
        self.busy = 0.0
        """Seconds of finished work."""
        self.waited = 0.0
        """Seconds that it waited for what it claims."""
        self._units = units
        self._ticket = Ticket(claim, self._granted)
        self._done = done
        self._asked = 0.0
        self._seconds = 0.0
        self._left = 0
        self._timer: asyncio.TimerHandle | None = None

    def work(self, seconds: float, times: int) -> None:
        """Hold for `seconds`, `times` times, then call `done`; infinite work is never done."""
        self._seconds, self._left = seconds, times
        self._hold()

    def stop(self) -> None:
        """Let go of everything."""
        if self._timer is not None:
            self._timer.cancel()
        self._units.release(self._ticket)

    def _hold(self) -> None:
        self._asked = self._units.loop.time()
        if self._ticket.claim:
            self._units.acquire(self._ticket)
        else:
            self._granted()

    def _granted(self) -> None:
        self.waited += self._units.loop.time() - self._asked
        if self._seconds != float("inf"):
            self._timer = self._units.loop.call_later(self._seconds, self._over)

    def _over(self) -> None:
        self._timer = None
        self.busy += self._seconds
        self._units.release(self._ticket)
        self._left -= 1
        if self._left > 0:
            self._hold()
        else:
            self._done()


class Behaviour(Protocol):
    """What a worker of some role does when it is called."""

    role: str
    pace: float
    """Everything takes so many times as long."""
    memory_bytes: int
    """What it has for itself alone."""
    claims: Sequence[Claim]
    """Of each of its ranks."""

    def begin(self, method: str, values: Any, named: Any) -> Work:  # noqa: ANN401
        """Begin a call: read what it reads, and return what it takes."""
        ...
