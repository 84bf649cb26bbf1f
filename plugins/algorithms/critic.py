"""The critic's loss: Huber's, clipped around the recorded value as is common with PPO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.algorithms.mask import blank, executed, mean

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class CriticLoss:
    """max(H(R - V), H(R - clip(V, V_b - clip, V_b + clip))), V_b the recorded value."""

    clip: float | None
    """None: H(R - V) alone."""
    huber_delta: float

    def of(self, value: Tensor, recorded: Tensor, target: Tensor, valid: Tensor | None) -> Tensor:
        """Return each decision's loss, [B]; values are [B, V], `valid` as in `Surrogate.terms`."""
        mask = executed(valid, entries=value.shape[1])
        value, recorded, target = (blank(entry, mask) for entry in (value, recorded, target))
        loss = self._huber(value, target)
        if self.clip is not None:
            move = (value - recorded).clamp(-self.clip, self.clip)
            loss = loss.maximum(self._huber(recorded + move, target))
        return mean(loss, mask)

    def _huber(self, value: Tensor, target: Tensor) -> Tensor:
        from torch.nn import functional

        return functional.huber_loss(value, target, reduction="none", delta=self.huber_delta)
