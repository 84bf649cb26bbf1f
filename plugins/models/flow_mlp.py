"""The model `flow_mlp`: a flow over a chunk of actions and a critic, on the robot's state."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlvla.core.types import Field
from rlvla.plugins.models.flow.sampling import FlowSampling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.flow.policy import FlowPolicy


def _hidden() -> list[int]:
    return [64, 64]


@dataclass(frozen=True, kw_only=True)
class FlowMLP:
    """Sees `proprio` alone and denoises actions that the simulator's bounds scale to [-1, 1]."""

    hidden: list[int] = field(default_factory=_hidden)
    """Widths of the hidden layers, the same for velocity and critic."""
    chunk: int = 1
    """Actions of a decision (C)."""
    sampling: FlowSampling = field(default_factory=FlowSampling)
    """How actions are drawn and scored."""
    checkpoint: str | None = None
    """Directory of a saved policy to begin with."""

    def __post_init__(self) -> None:
        if not self.hidden or any(width < 1 for width in self.hidden):
            raise ValueError(f"hidden must be one or more widths of at least 1, got {self.hidden}")
        if self.chunk < 1:
            raise ValueError(f"chunk must be at least 1, got {self.chunk}")

    @property
    def starts_from_noise(self) -> bool:
        """The seed matters at temperature 0, too."""
        return self.sampling.start == "noise"

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        """Return the fields of a row that `act` writes; raise ValueError for an unfit simulator."""
        if not spec.proprio:
            raise ValueError("flow_mlp sees only proprio, and this simulator gives none")
        bounds = zip(spec.action_low, spec.action_high, strict=True)
        if any(not 0 < high - low < math.inf for low, high in bounds):
            raise ValueError(
                "flow_mlp scales actions by their bounds, which must be finite; this simulator has "
                f"{list(spec.action_low)} to {list(spec.action_high)}"
            )
        actions = Field((self.chunk, spec.action_dim), "float32")
        made = {"action": actions, "log_prob": actions, "value": Field((1,), "float32")}
        return made | self.sampling.fields(self.chunk, spec.action_dim)

    def build(self, spec: SimulatorSpec, *, seed: int) -> FlowPolicy:
        """Build the policy from `seed`, or from the checkpoint."""
        import torch

        from rlvla.plugins.models.flow.network import FlowNetwork
        from rlvla.plugins.models.flow.policy import FlowPolicy

        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            network = FlowNetwork(self, spec)
        policy = FlowPolicy(network, self.sampling, spec)
        if self.checkpoint is not None:
            policy.load(self.checkpoint)
        return policy
