"""The density of drawn denoising steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from rlvla.plugins.models.flow import kinds

if TYPE_CHECKING:
    from rlvla.core.types import Arrays
    from rlvla.plugins.models.flow.sampling import FlowSampling

LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Steps:
    """The S drawn steps of each row."""

    chain: Tensor
    """The points before them and the one after, [B, S + 1, H, A]."""
    velocity: Tensor
    """At the points before them, [B, S, H, A]."""
    raw: Tensor | None
    """What learned deviations are made of, [B, S, H, A]."""

    def cut(self, chunk: int, dimensions: int) -> Steps:
        """Return the first elements of the first actions of each."""
        kept = (..., slice(chunk), slice(dimensions))
        raw = None if self.raw is None else self.raw[kept]
        return Steps(self.chain[kept], self.velocity[kept], raw)


@dataclass(frozen=True)
class Likelihood:
    """How likely recorded decisions are, differentiable."""

    log_prob: Tensor
    """[B, C, D]."""
    entropy: Tensor
    """The expectation of -`log_prob`, [B, C, D]; it has a gradient only where noise is learned."""


def likelihood(sampling: FlowSampling, record: Arrays, steps: Steps) -> Likelihood:
    """Return how likely it is that the steps led where they did, joined as `reduce` says."""
    time = kinds.times(sampling)[kinds.drawn(sampling, record)]
    noise = torch.as_tensor(record["noise"], device=steps.chain.device)
    of_point, of_velocity = (
        noise.new_tensor(one.astype(np.float32))[..., None, None]
        for one in kinds.weights(sampling, time, record["noise"])
    )
    log_std = noise.log()[..., None, None] if steps.raw is None else log_deviation(steps.raw, noise)
    mean = (of_point * steps.chain[:, :-1]).addcmul(of_velocity, steps.velocity)
    distance = (steps.chain[:, 1:] - mean) * (-log_std).exp()
    log_prob = (-LOG_ROOT_TWO_PI - log_std).addcmul(distance, distance, value=-0.5)
    entropy = (log_std + (0.5 + LOG_ROOT_TWO_PI)).expand_as(log_prob)
    return Likelihood(_joined(sampling, log_prob), _joined(sampling, entropy))


def log_deviation(raw: Tensor, bounds: Tensor) -> Tensor:
    """Return the logarithm of a deviation between its bounds [B, 2], for any number [B, ...].

    Raw 0 gives the geometric mean of the bounds (arXiv 2505.22094).
    """
    low, high = bounds.log().view(-1, 2, *[1] * (raw.dim() - 1)).unbind(1)
    return low + (high - low) * (0.5 + 0.5 * raw.tanh())


def _joined(sampling: FlowSampling, steps: Tensor) -> Tensor:
    """Reduce over the steps, [B, S, C, D]."""
    if sampling.stochastic == "one":
        return steps[:, 0]
    joined = steps.sum(1)
    return joined if sampling.reduce == "sum" else joined / (steps.shape[1] + 1)
