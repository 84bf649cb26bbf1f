"""The simulator of a simulated run."""

from __future__ import annotations

from dataclasses import dataclass

from rlvla.core.types import SimulatorSpec


@dataclass(frozen=True)
class Track:
    """As much of a simulator as the virtual runtime looks at."""

    lanes: int
    max_steps: int
    batched: bool
    tasks = ("go",)

    @property
    def spec(self) -> SimulatorSpec:
        return SimulatorSpec(
            cameras={},
            proprio=1,
            privileged=0,
            action_low=(-1.0,),
            action_high=(1.0,),
            max_steps=self.max_steps,
            control_hz=5.0,
            batched=self.batched,
        )
