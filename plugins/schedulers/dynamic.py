"""Dynamic batching: the generator waits for company, but never long.

A batch leaves as soon as it is full, nobody else can join it, or its oldest request has waited
long enough: the rule of RL-VLA³ (arXiv 2602.05765), with the clock started by the first request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.types import Queue


@dataclass(frozen=True, kw_only=True)
class Dynamic:
    """Serve the oldest requests once they fill a batch or have waited long enough."""

    max_batch: int = 16
    """Most requests in one forward pass of the generator."""
    max_wait_ms: float = 2.0
    """Longest time in milliseconds that the oldest request waits for others; 0: not at all."""

    def __post_init__(self) -> None:
        if self.max_batch < 1:
            raise ValueError(f"max_batch must be at least 1, got {self.max_batch}")
        if not 0 <= self.max_wait_ms < float("inf"):
            raise ValueError(f"max_wait_ms must be finite and at least 0, got {self.max_wait_ms}")

    def rule(self, groups: Mapping[int, int]) -> Dynamic:
        """Return itself: it remembers nothing."""
        del groups
        return self

    def take(self, queue: Queue) -> Sequence[int]:
        """Return up to `max_batch` if the batch is full, complete or overdue, else nothing."""
        waiting = len(queue.lanes)
        complete = waiting >= min(len(queue.active), self.max_batch)
        if complete or queue.waited_ms >= self.max_wait_ms:
            return range(min(waiting, self.max_batch))
        return ()

    def patience_ms(self, waited_ms: float) -> float:
        """Return the time left until the oldest request is overdue."""
        return max(self.max_wait_ms - waited_ms, 0.0)

    def served(self, size: int, seconds: float) -> None:
        """Learn nothing."""
