"""What became of every decision."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ledger:
    """Counts decisions so that `produced = trained + dropped + in flight` at all times."""

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        counts = dict(counts or {})
        self.produced = counts.pop("produced", 0)
        self.trained = counts.pop("trained", 0)
        self.in_flight = counts.pop("in_flight", 0)
        self.dropped: Counter[str] = Counter(
            {name.removeprefix("dropped_"): count for name, count in counts.items()}
        )

    def produce(self) -> None:
        """Count a decision that a generator (or expert) made for training."""
        self.produced += 1
        self.in_flight += 1

    def train(self, decisions: int) -> None:
        """Count decisions whose gradient is in a finished optimizer step."""
        self._leave(decisions)
        self.trained += decisions

    def drop(self, decisions: int, reason: str) -> None:
        """Count decisions that will not be trained on, and why."""
        self._leave(decisions)
        if decisions:
            self.dropped[reason] += decisions

    def counts(self) -> dict[str, int]:
        """Return every counter by name, as written in metrics and checkpoints."""
        named = {f"dropped_{reason}": count for reason, count in sorted(self.dropped.items())}
        whole = {"produced": self.produced, "trained": self.trained, "in_flight": self.in_flight}
        return whole | named

    def balanced(self) -> bool:
        """Return whether nothing was lost or counted twice."""
        return self.produced == self.trained + self.dropped.total() + self.in_flight

    def _leave(self, decisions: int) -> None:
        if decisions > self.in_flight:
            raise ValueError(f"{decisions} decisions end, but only {self.in_flight} are in flight")
        self.in_flight -= decisions
