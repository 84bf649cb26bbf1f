"""A budget for the second moment of the log-weights (M2PO, arXiv 2510.01161).

The entries of a decision with the largest squared log-weight are taken out until the mean of the
squares of the others is within the budget. The paper spends the budget over a batch; here each
decision has its own, so that no decision's loss depends on what it is batched with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.corrections.bounding import Bounding
from rlvla.plugins.corrections.levels import OUT, fitted

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class M2PO(Bounding):
    """Take out the entries that have changed most; the mean still counts them."""

    budget: float = 0.04
    """Largest mean of the squared log-weights of what stays of a decision."""

    def __post_init__(self) -> None:
        if not self.budget > 0:
            raise ValueError(f"budget must be above 0, got {self.budget}")

    def bounded(self, log_weight: Tensor, valid: Tensor | None) -> Tensor:
        """Return the log-weights as they are, but -inf for those that are over the budget."""
        import torch

        counted = fitted(valid, log_weight).flatten(1)
        squares = log_weight.flatten(1).square().where(counted, torch.inf)
        rising, order = squares.sort(1)
        number = torch.arange(1, squares.shape[1] + 1, device=squares.device)
        within = rising.cumsum(1) / number <= self.budget
        stays = torch.zeros_like(within).scatter(1, order, within) | ~counted
        return log_weight.masked_fill(~stays.view_as(log_weight), OUT)
