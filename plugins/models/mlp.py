"""The model `mlp`: a Gaussian policy and a critic, two perceptrons apart, on the robot's state."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from rlvla.plugins.models.decisions import gaussian_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from rlvla.core.types import Field, SimulatorSpec
    from rlvla.plugins.models.gaussian import GaussianPolicy


def _hidden() -> list[int]:
    return [64, 64]


@dataclass(frozen=True, kw_only=True)
class MLP:
    """Sees `proprio` alone; what is common for locomotion (arXiv 2005.12729, 2006.05990)."""

    hidden: list[int] = field(default_factory=_hidden)
    """Widths of the hidden layers, the same for actor and critic, each followed by a tanh."""
    log_std: float = 0.0
    """Logarithm of the deviation at first; it is learned, and the same for all observations."""
    checkpoint: str | None = None
    """Directory of a saved policy to begin with."""

    def __post_init__(self) -> None:
        if any(width < 1 for width in self.hidden):
            raise ValueError(f"hidden must be widths of at least 1, got {self.hidden}")

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        """Return the fields of a row that `act` writes; raise ValueError if nothing is seen."""
        if not spec.proprio:
            raise ValueError("mlp sees only proprio, and this simulator gives none; use cnn")
        return gaussian_fields(spec)

    def build(self, spec: SimulatorSpec, *, seed: int) -> GaussianPolicy:
        """Build the policy from `seed`, or from the checkpoint."""
        import torch
        from torch import nn

        from rlvla.plugins.models.gaussian import GaussianPolicy, Heads, Network

        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            widths = [spec.proprio, *self.hidden]
            actor = perceptron([*widths, spec.action_dim], gain=0.01)
            critic = perceptron([*widths, 1], gain=1.0)
        heads = Heads(actor, critic, spec.action_dim, self.log_std)
        network = Network(lambda batch: torch.from_numpy(batch["proprio"]), nn.Identity(), heads)
        policy = GaussianPolicy(network, spec)
        if self.checkpoint is not None:
            policy.load(self.checkpoint)
        return policy


def perceptron(widths: Sequence[int], *, gain: float) -> nn.Module:
    """Return tanh layers of these widths; `gain` is that of the last, linear layer."""
    from torch import nn

    from rlvla.plugins.models.gaussian import scaled

    layers: list[nn.Module] = []
    for before, after in pairwise(widths[:-1]):
        layers += [scaled(nn.Linear(before, after)), nn.Tanh()]
    return nn.Sequential(*layers, scaled(nn.Linear(widths[-2], widths[-1]), gain))
