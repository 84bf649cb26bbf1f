"""Other weights for a policy: copies of what is trained, lent to it for a forward pass.

Only trained parameters are copied, so that of a policy with adapters only these are.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from rlvla.core.generator import trained_parameters

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from torch import Tensor, nn

    from rlvla.core.interfaces import Policy
    from rlvla.core.types import Array, Arrays

Weights: TypeAlias = "Mapping[str, Tensor]"
"""The trained parameters of a policy, by name."""


def copied(module: nn.Module) -> dict[str, Tensor]:
    """Return copies of the trained parameters as they are now."""
    own = {name: one.detach() for name, one in trained_parameters(module).items()}
    return {name: one.clone(memory_format=torch.contiguous_format) for name, one in own.items()}


@contextmanager
def lent(module: nn.Module, weights: Weights) -> Generator[None]:
    """Let the module have other weights for a while; nothing is copied."""
    parameters = trained_parameters(module)
    own = {name: one.data for name, one in parameters.items()}
    try:
        for name, one in parameters.items():
            one.data = weights[name]
        yield
    finally:
        for name, one in parameters.items():
            one.data = own[name]


@dataclass(frozen=True)
class Scorer:
    """Scores recorded decisions under some weights, so many in a forward pass."""

    policy: Policy
    size: int

    @torch.no_grad()
    def log_prob(self, batch: Arrays, weights: Weights | None = None) -> Tensor:
        """Return log-probabilities [B, C, K] of a micro-batch; None: under the present weights."""
        if weights is None:
            return self.policy.evaluate(batch).log_prob
        with lent(self.policy.module, weights):
            return self.policy.evaluate(batch).log_prob

    def score(self, rows: Arrays, weights: Weights | None = None) -> Array:
        """Return log-probabilities of any number of rows, like `rows["log_prob"]`."""
        scored = np.empty_like(rows["log_prob"])
        for first in range(0, len(scored), self.size):
            part = slice(first, first + self.size)
            batch = {name: one[part] for name, one in rows.items()}
            scored[part] = self.log_prob(batch, weights).double().cpu().numpy()
        return scored
