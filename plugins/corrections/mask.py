"""Masked importance sampling (IcePop): what has a weight outside [low, high] takes no part."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.corrections.bounding import Bounding
from rlvla.plugins.corrections.levels import OUT, Level, require_coarser, summed

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Mask(Bounding):
    """Take out what has changed too much; what stays keeps its weight.

    The mean still counts what is out: a decision of which half is masked weighs half.
    """

    low: float = 0.5
    """Smallest weight that stays."""
    high: float = 5.0
    """Largest weight that stays."""
    level: Level | None = None
    """What stays or goes as one, by the product of the weights of its tokens; none: what has a
    ratio of its own."""

    def __post_init__(self) -> None:
        if not 0 <= self.low <= 1:
            raise ValueError(f"low must be between 0 and 1, got {self.low}")
        if not self.high >= 1:
            raise ValueError(f"high must be at least 1, got {self.high}")

    def check(self, *, level: str, decoupled: bool) -> None:
        """Raise ValueError for a level finer than the ratio's."""
        del decoupled
        require_coarser(self.level, level)

    def bounded(self, log_weight: Tensor, valid: Tensor | None) -> Tensor:
        """Return the log-weights as they are, but -inf outside the bounds."""
        del valid
        judged = summed(log_weight, self.level)
        low = math.log(self.low) if self.low > 0 else OUT
        inside = (judged >= low) & (judged <= math.log(self.high))
        return log_weight.masked_fill(~inside, OUT)
