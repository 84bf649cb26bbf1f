"""A model that takes as long as a large one: to measure schedulers on any machine.

Its policy is real but tiny: for each action dimension the probability of the upper bound is a
logistic function of the state, otherwise the action is the lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlvla.core.latency import Curve
from rlvla.core.types import Field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.signs import SignPolicy


@dataclass(frozen=True, kw_only=True)
class LatencyModel:
    """Takes the time of its latency models for every call, and little of it to compute."""

    chunk: int = 1
    """Actions of a decision (C)."""
    generator: Curve = field(default_factory=Curve)
    """Time of a forward pass that decides for n lanes."""
    trainer: Curve = field(default_factory=Curve)
    """Time of the forward and backward pass of a micro-batch of n decisions."""
    burn: bool = False
    """Keep a core busy instead of sleeping."""
    checkpoint: str | None = None
    """Directory of a saved policy to begin with."""

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ValueError(f"chunk must be at least 1, got {self.chunk}")

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        """Return the fields of a decision: an action dimension is one stochastic element."""
        actions = (self.chunk, spec.action_dim)
        return {
            "action": Field(actions, "float32"),
            "upper": Field(actions, "bool"),
            "log_prob": Field(actions, "float32"),
            "value": Field((1,), "float32"),
            "temperature": Field((), "float32"),
        }

    def build(self, spec: SimulatorSpec, *, seed: int) -> SignPolicy:
        """Build the policy, whose waits are part of `act` and `evaluate`."""
        from rlvla.plugins.models.signs import SignPolicy

        policy = SignPolicy(self, spec, seed=seed)
        if self.checkpoint is not None:
            policy.load(self.checkpoint)
        return policy
