"""Lockstep batching: the synchronous baseline, in which every lane waits for the slowest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lockstep:
    """Serve all active lanes in one batch, and only when all of them wait."""

    def take(self, waiting: int, active: int, waited_ms: float) -> int:
        """Return `waiting` if no active lane is missing, else 0, however long it takes."""
        del waited_ms
        return waiting if waiting >= active else 0

    def patience_ms(self, waited_ms: float) -> None:
        """Return None: time alone changes nothing."""
        del waited_ms
