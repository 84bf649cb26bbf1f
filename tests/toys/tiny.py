"""A model of a few dozen parameters."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.types import Field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.types import SimulatorSpec
    from toys.network import TinyPolicy


@dataclass(frozen=True)
class Tiny:
    """Decides on chunks of actions of 5 bins each, linearly in state and instruction."""

    chunk: int = 1
    """C."""
    critic: bool = True
    """Values are recorded."""
    fault: str = "none"
    """`act:N` or `evaluate:N`: the process dies in the N-th call; `act!`, `build!`: it raises;
    `build`: it dies."""

    def decision_fields(self, spec: SimulatorSpec) -> Mapping[str, Field]:
        actions = (self.chunk, spec.action_dim)
        fields = {
            "action": Field(actions, "float32"),
            "tokens": Field(actions, "int64"),
            "log_prob": Field(actions, "float32"),
            "temperature": Field((), "float32"),
        }
        return fields | ({"value": Field((1,), "float32")} if self.critic else {})

    def build(self, spec: SimulatorSpec, *, seed: int) -> TinyPolicy:
        from toys.network import Network, TinyPolicy

        del spec
        if self.fault == "build":
            os._exit(9)
        if self.fault == "build!":
            raise RuntimeError("the network is broken")
        return TinyPolicy(Network(self.chunk, seed=seed), self.fault)
