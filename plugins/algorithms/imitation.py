"""Imitation of demonstrations: alone it is behaviour cloning, beside another loss co-training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.algorithms.mask import blank
from rlvla.plugins.ranges import require

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Arrays


@dataclass(frozen=True, kw_only=True)
class Imitation:
    """What each optimizer step learns from demonstrations, beside its own decisions:

        L = L_RL + coef * mean over `batch_size` demonstrated decisions of imitate(o, a),

    where `imitate` is the model's own supervised loss: cross-entropy of tokens, flow matching.
    """

    coef: float = 0.2
    """Weight of the imitation, beta."""
    demonstrations: int = 100
    """Episodes that the simulator's expert plays before training, or a recording's first."""
    batch_size: int = 64
    """Decisions of them that each optimizer step draws, with replacement."""

    def __post_init__(self) -> None:
        require(self, "demonstrations batch_size", low=1)
        require(self, "coef", low=0)

    def loss(self, policy: Policy, batch: Arrays) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the weighted loss of each demonstrated decision [B] and metrics of each [B]."""
        imitation = imitated(policy, batch)
        return self.coef * imitation, {"imitation_loss": imitation.detach()}


def imitated(policy: Policy, batch: Arrays) -> Tensor:
    """Return the supervised loss of each decision, [B]; 0 where nothing of it was executed."""
    loss = policy.imitate(batch)
    return blank(loss, loss.new_tensor(batch["valid"]).bool().any(1))
