"""How far a run has come: all that its event loop must remember to go on later."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.settings import Budget


@dataclass
class Progress:
    """Counters that rise while a run goes on; the first three belong to the present phase."""

    updates: int = 0
    """Training batches."""
    decisions: int = 0
    """Decisions trained on."""
    seconds: float = 0.0
    """Time spent training, evaluation before and after excluded."""
    phase: int = 0
    """Index of the present phase."""
    version: int = 0
    """Of the newest weights; never used twice."""
    ordinal: int = 0
    """Training starts handed out."""
    ledger: dict[str, int] = field(default_factory=dict[str, int])
    """Counters of the ledger."""

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Progress:
        """Return what `to_json` described."""
        return cls(**plain)

    def to_json(self) -> dict[str, Any]:
        """Return the counters by name."""
        return asdict(self)

    def spent(self, budget: Budget) -> float:
        """Return the share of the budget that is used, 1 or more at its end."""
        limits = (
            (self.updates, budget.updates),
            (self.decisions, budget.decisions),
            (self.seconds / 60, budget.minutes),
        )
        return max(used / limit for used, limit in limits if limit is not None)

    def enter(self, phase: int) -> None:
        """Begin another phase."""
        self.phase = phase
        self.updates = self.decisions = 0
        self.seconds = 0.0
