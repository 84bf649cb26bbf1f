"""The model `mlp`: a policy and a critic, two perceptrons apart, on the robot's state."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from rlvla.plugins.models.decisions import categorical_fields, gaussian_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from rlvla.core.types import Field, SimulatorSpec
    from rlvla.plugins.models.actor_critic import Parts
    from rlvla.plugins.models.categorical import CategoricalPolicy
    from rlvla.plugins.models.gaussian import GaussianPolicy


def _hidden() -> list[int]:
    return [64, 64]


@dataclass(frozen=True, kw_only=True)
class MLP:
    """Sees `proprio` alone; what is common for locomotion (arXiv 2005.12729, 2006.05990).

    A Gaussian for each action dimension or, where actions are discrete, a softmax.
    """

    hidden: list[int] = field(default_factory=_hidden)
    """Widths of the hidden layers, the same for actor and critic, each followed by a tanh."""
    log_std: float = 0.0
    """Logarithm of a Gaussian's deviation at first; learned, the same for all observations."""
    checkpoint: str | None = None
    """Directory of a saved policy to begin with."""

    def __post_init__(self) -> None:
        if any(width < 1 for width in self.hidden):
            raise ValueError(f"hidden must be widths of at least 1, got {self.hidden}")

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        """Return the fields of a row that `act` writes; raise ValueError if nothing is seen."""
        if not spec.proprio:
            raise ValueError("mlp sees only proprio, and this simulator gives none; use cnn")
        return categorical_fields(spec) if spec.discrete else gaussian_fields(spec)

    def build(self, spec: SimulatorSpec, *, seed: int) -> GaussianPolicy | CategoricalPolicy:
        """Build the policy from `seed`, or from the checkpoint."""
        policy = _categorical(self, spec, seed) if spec.discrete else _gaussian(self, spec, seed)
        if self.checkpoint is not None:
            policy.load(self.checkpoint)
        return policy


def _gaussian(model: MLP, spec: SimulatorSpec, seed: int) -> GaussianPolicy:
    from rlvla.plugins.models.gaussian import GaussianPolicy, Network

    parts = _parts(model, spec, said=spec.action_dim, seed=seed)
    network = Network(parts, dimensions=spec.action_dim, log_std=model.log_std)
    return GaussianPolicy(network, spec)


def _categorical(model: MLP, spec: SimulatorSpec, seed: int) -> CategoricalPolicy:
    from rlvla.plugins.models.actor_critic import ActorCritic
    from rlvla.plugins.models.categorical import CategoricalPolicy, choices

    parts = _parts(model, spec, said=math.prod(choices(spec)), seed=seed)
    return CategoricalPolicy(ActorCritic(parts), spec)


def _parts(model: MLP, spec: SimulatorSpec, *, said: int, seed: int) -> Parts:
    """Return a network whose actor says `said` numbers."""
    import torch
    from torch import nn

    from rlvla.plugins.models.actor_critic import Parts

    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        widths = [spec.proprio, *model.hidden]
        actor = perceptron([*widths, said], gain=0.01)
        critic = perceptron([*widths, 1], gain=1.0)
    return Parts(lambda batch: torch.from_numpy(batch["proprio"]), nn.Identity(), actor, critic)


def perceptron(widths: Sequence[int], *, gain: float) -> nn.Module:
    """Return tanh layers of these widths; `gain` is that of the last, linear layer."""
    from torch import nn

    from rlvla.plugins.models.actor_critic import scaled

    layers: list[nn.Module] = []
    for before, after in pairwise(widths[:-1]):
        layers += [scaled(nn.Linear(before, after)), nn.Tanh()]
    return nn.Sequential(*layers, scaled(nn.Linear(widths[-2], widths[-1]), gain))
