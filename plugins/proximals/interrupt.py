"""The proximal policy is the trainer's own view of the policy that decided, without a copy of it.

The third exact route of arXiv 2605.12070: before the weights change, rollouts stand still and all
that they have decided so far, for this batch or a later one, is scored by the trainer, whose
weights are still those that decided. What it finds is what `snapshot` finds; it costs no copies,
but the generators' time during each update and publication.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.errors import TrainingError
from rlvla.plugins.proximals.beside import Beside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.core.interfaces import Follower
    from rlvla.core.types import Training


@dataclass(frozen=True, kw_only=True)
class Interrupt(Beside):
    """Score each decision while the trainer has the weights of its version: one forward pass, no
    copy, and rollouts that wait for every update."""

    sees_within = 0

    def follow(self, training: Training, name: str) -> Follower:
        """Return what scores rows when they are seen first."""
        from rlvla.plugins.proximals.scored import Scored
        from rlvla.plugins.proximals.weights import Scorer

        return Scored(name, Scorer(training.policy, training.micro_batch_size), Unchanged())


class Unchanged:
    """Chooses the present weights, which must be those that decided; see `scored.Versions`."""

    def __init__(self) -> None:
        self._version = 0

    def begin(self, version: int) -> None:
        """Learn which decisions are the present weights'."""
        self._version = version

    def of(self, version: int) -> None:
        """Return None; raise TrainingError if other weights have decided."""
        if version != self._version:
            raise TrainingError(
                f"a decision of version {version} is scored only now that the weights are those "
                f"of version {self._version}"
            )

    def state(self) -> Mapping[str, Tensor]:
        """Return the version."""
        import torch

        return {"version": torch.tensor(self._version)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take the version back."""
        self._version = int(state["version"])
