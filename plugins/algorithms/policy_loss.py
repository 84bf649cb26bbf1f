"""The part of a loss that moves the policy: clipped surrogate, entropy bonus, reference penalty."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rlvla.plugins.algorithms.mask import mean

if TYPE_CHECKING:
    from torch import Tensor

    from rlvla.core.interfaces import Scores
    from rlvla.core.types import Arrays, Moment
    from rlvla.plugins.algorithms.staleness import Staleness
    from rlvla.plugins.algorithms.surrogate import Surrogate


@dataclass(frozen=True, kw_only=True)
class PolicyLoss:
    """surrogate - entropy_coef * entropy + kl_coef * divergence, of each decision."""

    surrogate: Surrogate
    staleness: Staleness
    entropy_coef: float

    def narrowed(self, share: float) -> PolicyLoss:
        """Return the loss with this share of the room between 1 and the bounds of the ratio."""
        if share == 1:
            return self
        low, high = self.surrogate.clip_low, self.surrogate.clip_high
        return replace(
            self,
            surrogate=replace(self.surrogate, clip_low=share * low, clip_high=share * high),
        )

    def of(
        self, scores: Scores, advantage: Tensor, batch: Arrays, moment: Moment
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return each decision's loss [B] and metrics [B]; `advantage` as in `Surrogate.terms`."""
        current = scores.log_prob
        behaviour, valid = recorded("log_prob", batch, current), executed_of(batch, current)
        ratio, weight = self.staleness.log_ratios(current, behaviour, batch, moment)
        metrics = self.surrogate.terms(ratio, advantage, valid, weight)
        metrics |= self.staleness.drift(ratio, weight, valid)
        metrics["entropy"] = mean(scores.entropy, valid)
        total = metrics["policy_loss"]
        if self.entropy_coef:
            total = total - self.entropy_coef * metrics["entropy"]
        if self.staleness.kl_coef:
            kl = self.staleness.divergence(current, valid, batch, moment)
            total = total + self.staleness.kl_coef * kl
            metrics["reference_kl"] = kl
        return total, metrics


def recorded(name: str, batch: Arrays, like: Tensor) -> Tensor:
    """Return a field of the batch where `like` is, in its own type."""
    import torch

    return torch.from_numpy(batch[name]).to(like.device)


def executed_of(batch: Arrays, like: Tensor) -> Tensor | None:
    """Return which actions were executed, bool [B, C]; None if all were."""
    return None if batch["valid"].all() else recorded("valid", batch, like)
