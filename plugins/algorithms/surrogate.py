"""The clipped surrogate objective (arXiv 1707.06347, eq. 7) of decisions of C actions of K tokens.

With A the advantage and rho the ratio of a token, action or chunk under the policy that is trained
and the one that the ratio is to, a decision's loss is the mean over what was executed of it of

    max(-A rho, -A clip(rho, 1 - clip_low, 1 + clip_high)),

at most `dual_clip` |A| if that is given (arXiv 1912.09729, eq. 5). Log-ratios are held within +-20,
where both exponential and gradient are still finite.

If the ratio is to a proximal policy p and not to the behaviour b, each entry has the weight
w = p / b without gradient (arXiv 2110.00641, eq. 3). A correction bounds w; where there is no
proximal policy, it takes entries out or damps them by the same rule, applied to rho. The mean
counts what it takes out: the gradient of a decision then depends on that decision alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from rlvla.plugins.algorithms.mask import blank, executed, mean

if TYPE_CHECKING:
    from torch import Tensor

    from rlvla.core.interfaces import Correction

Level: TypeAlias = Literal["token", "action", "chunk"]


@dataclass(frozen=True, kw_only=True)
class Surrogate:
    """How ratios are formed and clipped."""

    level: Level
    """What has a ratio of its own."""
    clip_low: float
    clip_high: float
    dual_clip: float | None = None
    correction: Correction | None = None
    """What keeps the weights in bounds."""

    def terms(
        self,
        log_ratio: Tensor,
        advantage: Tensor,
        valid: Tensor | None,
        log_weight: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return `policy_loss` and metrics of each decision, [B].

        `log_ratio` is [B, C, K]; `advantage` [B, 1] or, for ratios not coarser than an action,
        [B, C]; `valid`, bool [B, C], what was executed: None for all. `log_weight` [B, C, K] is
        log(p / b), without gradient: None if the ratio is to the behaviour policy.
        """
        advantage = blank(advantage, executed(valid, entries=advantage.shape[1]))[:, :, None]
        log_ratio = self.leveled(log_ratio, valid).clamp(-20, 20)
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1 - self.clip_low, 1 + self.clip_high)
        loss = free = -advantage * ratio
        if self.correction is None or self.correction.clips:
            loss = free.maximum(-advantage * clipped)
        if self.dual_clip is not None:
            loss = loss.minimum(self.dual_clip * advantage.abs())
        ratio, log_ratio = ratio.detach(), log_ratio.detach()
        entries = {
            "policy_loss": loss,
            "ratio": ratio,
            "approx_kl": ratio - 1 - log_ratio,
            "clip_fraction": (clipped.detach() != ratio).to(ratio.dtype),
        }
        mask = executed(valid, entries=log_ratio.shape[1])
        if log_weight is None and self.correction is None:
            return {name: mean(entry, mask) for name, entry in entries.items()}
        weight = self._weight(log_ratio, log_weight, valid).expand_as(loss)
        active = (weight > 0) & (loss == free)
        entries |= {"policy_loss": weight * loss, "active": active.to(ratio.dtype)}
        return {name: mean(entry, mask) for name, entry in entries.items()} | spread(weight, mask)

    def leveled(self, log_ratio: Tensor, valid: Tensor | None) -> Tensor:
        """Return the log-ratios of what has one of its own: [B, C, K], [B, C, 1] or [B, 1, 1]."""
        log_ratio = blank(log_ratio, valid)
        if self.level == "token":
            return log_ratio
        log_ratio = log_ratio.sum(2, keepdim=True)
        return log_ratio.sum(1, keepdim=True) if self.level == "chunk" else log_ratio

    def _weight(self, log_ratio: Tensor, log_weight: Tensor | None, valid: Tensor | None) -> Tensor:
        """Return what the loss of each entry is multiplied by, without gradient."""
        given = log_ratio
        if log_weight is not None:
            given = self.leveled(log_weight, valid).clamp(-20, 20)
        used = given if self.correction is None else self.correction.bounded(given, valid)
        return (used - given if log_weight is None else used).exp()


def spread(weight: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
    """Return metrics of each decision's weights, [B]: how large, how unequal, how many are 0."""
    average = mean(weight, mask)
    return {
        "weight": average,
        "weight_ess": average,
        "weight_max": blank(weight, mask).flatten(1).amax(1),
        "weight_masked": mean((weight == 0).to(weight.dtype), mask),
    }
