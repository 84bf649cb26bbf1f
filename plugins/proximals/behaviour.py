"""The proximal policy is the one that made the decision: ordinary PPO, however stale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlvla.core.types import Training


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """Clip around what was recorded; costs nothing, and binds too much where data are stale."""

    needs = ("log_prob",)
    decoupled = False
    sees_within = None

    def follow(self, training: Training, name: str) -> None:
        """Follow nothing: the record suffices."""
        del training, name
