"""The proximal policy lies between behaviour and present, nearer to this the staler (A-3PO).

    log p = log b + alpha (log pi - log b),   alpha = s / (s + 1),   s the staleness in versions

(arXiv 2512.06547). It costs nothing and adds no information: only the bounds of the ratio to the
behaviour policy widen as a decision ages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.proximals.beside import Beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.core.types import Arrays, Training


@dataclass(frozen=True, kw_only=True)
class Interpolate(Beside):
    """Mix the log-probabilities of behaviour and present by staleness: no pass, no memory."""

    def follow(self, training: Training, name: str) -> Between:
        """Return what interpolates."""
        del training, name
        return Between()


class Between:
    """Interpolates in each micro-batch; see `interfaces.Follower`."""

    def begin(self, version: int) -> None:
        """Do nothing."""

    def arrive(self, rows: Arrays) -> Arrays:
        """Add nothing."""
        del rows
        return {}

    def step(self, metrics: Mapping[str, float]) -> None:
        """Do nothing."""

    def log_prob(self, batch: Arrays, current: Tensor, version: int) -> Tensor:
        """Return the mixed log-probabilities; those of the behaviour exactly if none is stale."""
        staleness = current.new_tensor(version - batch["version"])[:, None, None]
        behaviour = current.new_tensor(batch["log_prob"])
        return behaviour + staleness / (staleness + 1) * (current - behaviour)

    def state(self) -> Mapping[str, Tensor]:
        """Hold nothing."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Need nothing."""
