"""The proximal policy is the one that made the decision: ordinary PPO, however stale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.types import Training


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """Clip around what was recorded; costs nothing, and binds too much where data are stale."""

    interrupts = False

    @property
    def needs(self) -> Sequence[str]:
        """The behaviour's log-probabilities."""
        return ("log_prob",)

    @property
    def decoupled(self) -> bool:
        """False: the record is what is wanted."""
        return False

    def follow(self, training: Training, name: str) -> None:
        """Follow nothing: the record suffices."""
        del training, name
