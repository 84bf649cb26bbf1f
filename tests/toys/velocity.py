"""A velocity network over 3 actions with 4 elements, and samplers for it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rlvla.plugins.models.flow.sampler import Decisions, Sampler
from rlvla.plugins.models.flow.sampling import Choice, FlowSampling, Kind

ROWS = 6
SEEDS = np.arange(ROWS, dtype=np.uint64) + np.uint64(2**63)
KINDS: tuple[Kind, ...] = ("sde", "noise", "cps")
CHOICES: tuple[Choice, ...] = ("one", "all")
SIZES: tuple[tuple[Kind, int], ...] = (*((kind, 4) for kind in KINDS), ("sde", 1), ("cps", 2))
SAMPLINGS = [
    FlowSampling(kind=kind, stochastic=choice, steps=steps, low=0.1, high=0.3)
    for kind, steps in SIZES
    for choice in CHOICES
]


class Net(torch.nn.Module):
    """A velocity that mixes all elements, and numbers for learned noise."""

    def __init__(self, sampling: FlowSampling, *, seed: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.mix = torch.nn.Parameter(torch.randn(12, 24, generator=random) / 3)
        self.learned = sampling.learned

    def forward(self, points: Tensor, times: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return velocities and, if noise is learned, what that is made of."""
        both = (points.flatten(1) + times[:, None]) @ self.mix
        velocity, raw = both[:, :12].tanh(), 2 * both[:, 12:].tanh()
        return velocity.view_as(points), raw.view_as(points) if self.learned else None


def sampler_of(sampling: FlowSampling, *, whole: bool = True) -> Sampler:
    """Return a sampler of 3 actions with 4 elements, or one that executes only 2 with 3."""
    chunk, dimensions = (3, 4) if whole else (2, 3)
    return Sampler(sampling=sampling, horizon=3, width=4, chunk=chunk, dimensions=dimensions)


def draw(sampler: Sampler, net: Net, temperature: float = 1.0) -> Decisions:
    """Draw from ROWS seeds."""
    heat = np.full(ROWS, temperature, np.float32)
    with torch.no_grad():
        return sampler.draw(net, seeds=SEEDS, temperature=heat)
