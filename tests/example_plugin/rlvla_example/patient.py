"""Batching that always waits as long as it may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.types import Queue


@dataclass(frozen=True)
class Patient:
    """Serve all who wait, once nobody else can come or the oldest waited for `wait_ms`."""

    wait_ms: float = 5.0
    """Longest wait of a request in milliseconds."""

    def __post_init__(self) -> None:
        if self.wait_ms < 0:
            raise ValueError(f"wait_ms must be at least 0, got {self.wait_ms}")

    def rule(self, groups: Mapping[int, int]) -> Patient:
        """Return itself: it remembers nothing."""
        return self

    def take(self, queue: Queue) -> Sequence[int]:
        """Return all or none."""
        everyone = len(queue.lanes) >= len(queue.active)
        overdue = queue.waited_ms >= self.wait_ms - 1e-6
        return range(len(queue.lanes)) if everyone or overdue else ()

    def patience_ms(self, waited_ms: float) -> float:
        """Return what is left of `wait_ms`."""
        return max(self.wait_ms - waited_ms, 0.0)

    def served(self, size: int, seconds: float, waited: float) -> None:
        """Learn nothing."""
