"""The way to one worker: calls go out, answers or its end come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from rlvla.core.runtime.wire import Message


class Link(Protocol):
    """One worker and the way to it; what comes back goes to its `Listener`."""

    def send(self, number: int, method: str, values: Message, named: Message) -> None:
        """Ask the worker; calls are delivered in the order in which they were sent."""
        ...

    def memory(self) -> int:
        """Return how many bytes the worker has for itself alone; 0 if it has ended."""
        ...

    def hang_up(self) -> None:
        """Ask nothing more: the worker ends by itself when it has answered."""
        ...

    def kill(self) -> None:
        """End the worker now; its listener learns of the end before this returns."""
        ...


class Listener(Protocol):
    """Who is told what comes back over a link."""

    def answered(self, number: int, kind: str, result: Message) -> None:
        """Take the answer to call `number`: `ok` and its result, or what went wrong."""
        ...

    def ended(self, how: str) -> None:
        """Learn that the worker is no more; nothing comes after this."""
        ...


Connect: TypeAlias = Callable[[str, Listener], Link]
"""Starts a worker with a name and returns the link to it."""
