"""Batching that always waits as long as it may."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patient:
    """Serve all who wait, once nobody else can come or the oldest waited for `wait_ms`."""

    wait_ms: float = 5.0
    """Longest wait of a request in milliseconds."""

    def __post_init__(self) -> None:
        if self.wait_ms < 0:
            raise ValueError(f"wait_ms must be at least 0, got {self.wait_ms}")

    def take(self, waiting: int, active: int, waited_ms: float) -> int:
        """Return all or none."""
        return waiting if waiting >= active or waited_ms >= self.wait_ms else 0

    def patience_ms(self, waited_ms: float) -> float:
        """Return what is left of `wait_ms`."""
        return max(self.wait_ms - waited_ms, 0.0)
