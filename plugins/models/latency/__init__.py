"""The model `latency`: a tiny policy that takes the time of a large one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlvla.core.latency import Curve
from rlvla.core.types import Field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.types import SimulatorSpec
    from rlvla.plugins.models.latency.policy import LatencyPolicy


@dataclass(frozen=True, kw_only=True)
class LatencyModel:
    """Decides on chunks of actions by the proprioception alone, in the time of a real model."""

    chunk: int = 1
    """Actions of a decision."""
    generator: Curve = field(default_factory=Curve)
    """Time to decide for so many lanes in one forward pass."""
    trainer: Curve = field(default_factory=Curve)
    """Time of a micro-batch of so many decisions, forward and backward; values of the
    observations after the last decision of a segment cost none."""
    burn: bool = False
    """Keep a core busy instead of sleeping."""
    checkpoint: str | None = None
    """Directory of a saved policy to begin with."""

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ValueError(f"chunk must be at least 1, got {self.chunk}")

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        """Return an action cut to its bounds, the normal sample before, and its density."""
        actions = Field((self.chunk, spec.action_dim), "float32")
        return {
            "action": actions,
            "sample": actions,
            "log_prob": actions,
            "value": Field((1,), "float32"),
            "temperature": Field((), "float32"),
        }

    def build(self, spec: SimulatorSpec, *, seed: int) -> LatencyPolicy:
        """Build the policy from the checkpoint or the seed; imports torch."""
        from rlvla.plugins.models.latency.policy import LatencyPolicy

        policy = LatencyPolicy(self, spec, seed=seed)
        if self.checkpoint is not None:
            policy.load(self.checkpoint)
        return policy
