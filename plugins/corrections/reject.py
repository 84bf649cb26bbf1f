"""Rejection of whole decisions by how far their log-weights are from 0 on average.

With l the log-weights of what was executed of a decision, it takes part if

    low <= exp(mean l) <= high    and    mean (exp(l) - 1 - l) <= k3,

two tests that, unlike the product of the weights, do not depend on how many tokens there are. The
second is the k3 estimate of the divergence, which deviations in both directions cannot cancel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.corrections.bounding import Bounding
from rlvla.plugins.corrections.levels import OUT, fitted

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Reject(Bounding):
    """Take out decisions whose weights are too far from 1 on average.

    The mean over decisions still counts those that are out.
    """

    low: float = 0.9
    """Smallest geometric mean of the weights of a decision that stays."""
    high: float = 1.1
    """Largest geometric mean."""
    k3: float | None = None
    """Largest estimate of the divergence."""

    def __post_init__(self) -> None:
        if not 0 < self.low <= 1:
            raise ValueError(f"low must be above 0 and at most 1, got {self.low}")
        if not self.high >= 1:
            raise ValueError(f"high must be at least 1, got {self.high}")
        if self.k3 is not None and not self.k3 >= 0:
            raise ValueError(f"k3 must be at least 0, got {self.k3}")

    def bounded(self, log_weight: Tensor, valid: Tensor | None) -> Tensor:
        """Return the log-weights as they are, but -inf in decisions that are out."""
        counted = fitted(valid, log_weight)
        number = counted.sum((1, 2), keepdim=True).clamp(min=1)
        centre = log_weight.where(counted, 0.0).sum((1, 2), keepdim=True) / number
        inside = (centre >= math.log(self.low)) & (centre <= math.log(self.high))
        if self.k3 is not None:
            divergence = (log_weight.exp() - 1 - log_weight).where(counted, 0.0)
            inside &= divergence.sum((1, 2), keepdim=True) / number <= self.k3
        return log_weight.masked_fill(~inside, OUT)
