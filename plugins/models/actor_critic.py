"""A network that says what to do and what it is worth: what small policies share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from rlvla.core.types import Arrays

Reader: TypeAlias = "Callable[[Arrays], Tensor]"
"""Takes what a network sees out of a batch."""


@dataclass
class Scores:
    """A view of recorded decisions of one action, differentiable."""

    log_prob: Tensor
    """[B, 1, D], of each dimension."""
    entropy: Tensor
    """[B, 1, D]."""
    value: Tensor
    """[B, 1]."""


@dataclass(frozen=True)
class Parts:
    """What a network is made of."""

    reader: Reader
    trunk: nn.Module
    """What actor and critic share."""
    actor: nn.Module
    critic: nn.Module


class ActorCritic(nn.Module):
    """Observations in; what the actor says and values [B, 1] out."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.trunk = parts.trunk
        self.actor = parts.actor
        self.value_head = parts.critic
        self._reader = parts.reader

    def forward(self, observations: Arrays) -> tuple[Tensor, Tensor]:
        """Return what the actor says, and values."""
        features = self.trunk(self._seen(observations))
        return self.actor(features), self.value_head(features)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def value(self, observations: Arrays) -> Tensor:
        """Return values."""
        values: Tensor = self.value_head(self.trunk(self._seen(observations)))
        return values

    def _seen(self, observations: Arrays) -> Tensor:
        return self._reader(observations).to(self.device)


def scaled(layer: nn.Linear | nn.Conv2d, gain: float = math.sqrt(2)) -> nn.Module:
    """Return the layer with orthogonal weights of this gain and biases of 0."""
    nn.init.orthogonal_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
