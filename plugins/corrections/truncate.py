"""Truncated importance sampling: w = min(w, cap) (arXiv 1802.01561 and, with PPO, 2505.24298)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.corrections.bounding import Bounding
from rlvla.plugins.corrections.levels import Level, require_coarser, summed

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Truncate(Bounding):
    """Cut weights at a cap; what is above it stays in, with that weight."""

    cap: float = 5.0
    """Largest weight."""
    level: Level | None = None
    """What has a weight of its own: the product of the weights of its tokens; none: what has a
    ratio of its own."""

    def __post_init__(self) -> None:
        if not self.cap > 0:
            raise ValueError(f"cap must be above 0, got {self.cap}")

    def check(self, *, level: str, decoupled: bool) -> None:
        """Raise ValueError without a proximal policy or for a level finer than the ratio's."""
        require_coarser(self.level, level)
        if not decoupled:
            raise ValueError(
                "type 'truncate' bounds the weight of a proximal policy; proximal: behaviour has "
                "none; choose another, as recompute"
            )

    def bounded(self, log_weight: Tensor, valid: Tensor | None) -> Tensor:
        """Return the truncated log-weights."""
        del valid
        return summed(log_weight, self.level).clamp(max=math.log(self.cap))
