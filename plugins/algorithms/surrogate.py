"""The clipped surrogate objective (arXiv 1707.06347, eq. 7) of decisions of C actions of K tokens.

With A the advantage and rho the ratio of a token, action or chunk under the policy that is trained
and the one that the ratio is to, a decision's loss is the mean over what was executed of it of

    max(-A rho, -A clip(rho, 1 - clip_low, 1 + clip_high)),

at most `dual_clip` |A| if that is given (arXiv 1912.09729, eq. 5). Log-ratios are held within +-20,
where both exponential and gradient are still finite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from rlvla.plugins.algorithms.mask import blank, executed, mean

if TYPE_CHECKING:
    from torch import Tensor

Level: TypeAlias = Literal["token", "action", "chunk"]


@dataclass(frozen=True, kw_only=True)
class Surrogate:
    """How ratios are formed and clipped."""

    level: Level
    """What has a ratio of its own."""
    clip_low: float
    clip_high: float
    dual_clip: float | None = None

    def terms(
        self, log_ratio: Tensor, advantage: Tensor, valid: Tensor | None
    ) -> dict[str, Tensor]:
        """Return `policy_loss` and metrics of each decision, [B].

        `log_ratio` is [B, C, K]; `advantage` [B, 1] or, for ratios not coarser than an action,
        [B, C]; `valid`, bool [B, C], what was executed: None for all.
        """
        advantage = blank(advantage, executed(valid, entries=advantage.shape[1]))[:, :, None]
        log_ratio = self.leveled(log_ratio, valid).clamp(-20, 20)
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1 - self.clip_low, 1 + self.clip_high)
        loss = (-advantage * ratio).maximum(-advantage * clipped)
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
        return {name: mean(entry, mask) for name, entry in entries.items()}

    def leveled(self, log_ratio: Tensor, valid: Tensor | None) -> Tensor:
        """Return the log-ratios of what has one of its own: [B, C, K], [B, C, 1] or [B, 1, 1]."""
        log_ratio = blank(log_ratio, valid)
        if self.level == "token":
            return log_ratio
        log_ratio = log_ratio.sum(2, keepdim=True)
        return log_ratio.sum(1, keepdim=True) if self.level == "chunk" else log_ratio
