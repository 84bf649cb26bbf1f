"""Dynamic batching: the generator waits for company, but never long.

A batch leaves as soon as it is full, nobody else can join it, or its oldest request has waited
long enough: the rule of RL-VLA³ (arXiv 2602.05765), with the clock started by the first request.
"""

from __future__ import annotations

from dataclasses import dataclass


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

    def take(self, waiting: int, active: int, waited_ms: float) -> int:
        """Return up to `max_batch` if the batch is full, complete or overdue, else 0."""
        complete = waiting >= min(active, self.max_batch)
        if complete or waited_ms >= self.max_wait_ms:
            return min(waiting, self.max_batch)
        return 0

    def patience_ms(self, waited_ms: float) -> float:
        """Return the time left until the oldest request is overdue."""
        return max(self.max_wait_ms - waited_ms, 0.0)
