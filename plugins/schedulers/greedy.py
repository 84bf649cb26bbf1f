"""Greedy batching: a generator that is free serves whoever waits.

It is work-conserving, and it regulates itself: the busier the generator is, the more requests
wait when it is free again, and the larger its batches are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.types import Queue


@dataclass(frozen=True, kw_only=True)
class Greedy:
    """Serve the oldest requests as soon as the generator is free."""

    max_batch: int = 64
    """Most requests in one forward pass of the generator."""

    def __post_init__(self) -> None:
        if self.max_batch < 1:
            raise ValueError(f"max_batch must be at least 1, got {self.max_batch}")

    def rule(self, groups: Mapping[int, int]) -> Greedy:
        """Return itself: it remembers nothing."""
        del groups
        return self

    def take(self, queue: Queue) -> Sequence[int]:
        """Return up to `max_batch`, the oldest first."""
        return range(min(len(queue.lanes), self.max_batch))

    def patience_ms(self, waited_ms: float) -> float | None:
        """Wait for an arrival: nobody waits otherwise."""
        del waited_ms
        return None

    def served(self, size: int, seconds: float, waited: float) -> None:
        """Learn nothing."""
