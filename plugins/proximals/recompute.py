"""The proximal policy is the trainer's at the start of the update, as in arXiv 2505.24298."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.proximals.beside import Beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.core.interfaces import Follower
    from rlvla.core.types import Arrays, Training


@dataclass(frozen=True, kw_only=True)
class Recompute(Beside):
    """Score each batch once more before it is trained on: one forward pass, no memory.

    Where a batch is one optimizer step, the pass that trains is that score and no other is run.
    """

    def follow(self, training: Training, name: str) -> Follower:
        """Return what scores rows when they arrive, if the weights change within a batch."""
        from rlvla.plugins.proximals.scored import Scored
        from rlvla.plugins.proximals.weights import Scorer

        if training.steps == 1:
            return Passing()
        return Scored(name, Scorer(training.policy, training.micro_batch_size), Present())


class Present:
    """Chooses the present weights; see `scored.Versions`."""

    def begin(self, version: int) -> None:
        """Do nothing."""

    def of(self, version: int) -> None:
        """Return None, whatever the version."""

    def state(self) -> Mapping[str, Tensor]:
        """Hold nothing."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Need nothing."""


class Passing:
    """Follows a training whose weights do not change within a batch; see `interfaces.Follower`."""

    def begin(self, version: int) -> None:
        """Do nothing."""

    def arrive(self, rows: Arrays) -> Arrays:
        """Add nothing."""
        del rows
        return {}

    def step(self, metrics: Mapping[str, float]) -> None:
        """Do nothing."""

    def log_prob(self, batch: Arrays, current: Tensor, version: int) -> Tensor:
        """Return what the pass that trains has found."""
        del batch, version
        return current

    def state(self) -> Mapping[str, Tensor]:
        """Hold nothing."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Need nothing."""
