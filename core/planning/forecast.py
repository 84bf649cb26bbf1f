"""How fast a manifest would be in so many cells: the pipeline itself, on a virtual clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rlvla.core.planning.size import grown
from rlvla.core.runtime.virtual.runtime import Virtual
from rlvla.core.runtime.virtual.simulation import simulate

if TYPE_CHECKING:
    from rlvla.core.latency import Latencies
    from rlvla.core.planning.size import Size
    from rlvla.core.runtime.virtual.result import Result
    from rlvla.core.settings import Manifest

WARMUP = 2
"""Updates before those that count: until then not all of the pipeline is filled."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What one size would come to."""

    schedule: str
    size: Size
    result: Result

    @property
    def per_gpu(self) -> float:
        """Decisions/s that each GPU contributes."""
        return self.result.decisions_per_s / self.size.gpus

    @property
    def staleness(self) -> float:
        """Mean over the decisions trained on, in versions."""
        aged = sum(age * count for age, count in self.result.staleness.items())
        return aged / self.result.decisions

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        result = self.result
        return {
            "schedule": self.schedule,
            "gpus": self.size.gpus,
            "cells": self.size.cells,
            "decisions_per_s": result.decisions_per_s,
            "staleness": {str(age): count for age, count in result.staleness.items()},
            "utilisation": dict(result.utilisation),
            "bottleneck": result.bottleneck,
            "batch": result.batch,
        }


def forecast(
    manifest: Manifest, latencies: Latencies, size: Size, *, schedule: str, updates: int
) -> Forecast:
    """Simulate so many updates of the last phase of a manifest.

    If its runtime is virtual, seed, ends of episodes and faults are as it says.
    """
    own = manifest.runtime if isinstance(manifest.runtime, Virtual) else Virtual()
    runtime = replace(own, latencies=latencies, cells=size.cells)
    result = simulate(grown(manifest, size.cells), runtime, updates=updates, warmup=WARMUP)
    return Forecast(schedule=schedule, size=size, result=result)
