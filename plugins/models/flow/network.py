"""The networks of `flow_mlp`: velocity, learned noise and critic are perceptrons."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rlvla.plugins.models.actor_critic import scaled
from rlvla.plugins.models.mlp import perceptron

if TYPE_CHECKING:
    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.flow.sampler import Denoiser
    from rlvla.plugins.models.flow_mlp import FlowMLP

WAVES = 8
"""Frequencies that show a time."""
PERIODS = (4e-3, 4.0)
"""The shortest and the longest, in units of t, as in pi0."""


class FlowNetwork(nn.Module):
    """States, points and times in; velocities, numbers for the noise and values out."""

    imitated: Tensor
    _frequency: Tensor
    _phase: Tensor

    def __init__(self, model: FlowMLP, spec: SimulatorSpec) -> None:
        super().__init__()
        self.chunk, self.dimensions = model.chunk, spec.action_dim
        elements, first, *_ = model.chunk * spec.action_dim, *model.hidden
        self.state = scaled(nn.Linear(spec.proprio, first))
        self.point = scaled(nn.Linear(elements + 2 * WAVES, first, bias=False))
        self.trunk = nn.Sequential(nn.SiLU())
        for before, after in pairwise(model.hidden):
            self.trunk.extend([scaled(nn.Linear(before, after)), nn.SiLU()])
        self.velocity = scaled(nn.Linear(model.hidden[-1], elements), 1.0)
        self.noise_head = nn.Linear(model.hidden[-1], elements) if model.sampling.learned else None
        if self.noise_head is not None:
            nn.init.zeros_(self.noise_head.weight)
            nn.init.zeros_(self.noise_head.bias)
        self.value_head = perceptron([spec.proprio, *model.hidden, 1], gain=1.0)
        self.register_buffer("imitated", torch.zeros((), dtype=torch.int64))
        self._add_waves()

    def denoiser(self, state: Tensor) -> Denoiser:
        """Return what denoises under states [B, proprio]; see `sampler.Denoiser`."""
        shown = self.state(state)

        def denoise(points: Tensor, times: Tensor) -> tuple[Tensor, Tensor | None]:
            waves = torch.addcmul(self._phase, times[:, None], self._frequency).sin()
            inner = self.point(torch.cat([points.flatten(1), waves], 1))
            features = self.trunk(inner + shown.repeat_interleave(len(points) // len(shown), 0))
            raw = None if self.noise_head is None else self.noise_head(features).view_as(points)
            return self.velocity(features).view_as(points), raw

        return denoise

    def _add_waves(self) -> None:
        """Make sin(t f) and sin(t f + pi / 2) what the network sees of t."""
        short, long = PERIODS
        share = torch.arange(WAVES, dtype=torch.float64) / (WAVES - 1)
        frequency = 2 * math.pi / (short * (long / short) ** share)
        phase = torch.zeros(2 * WAVES)
        phase[WAVES:] = math.pi / 2
        self.register_buffer("_frequency", frequency.float().repeat(2), persistent=False)
        self.register_buffer("_phase", phase, persistent=False)
