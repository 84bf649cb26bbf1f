"""Latencies that the components of a run tell of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlvla.core.errors import PreflightError
from rlvla.core.latency import Curve, Latencies, Latency

if TYPE_CHECKING:
    from rlvla.core.workers import Job


def told_by(job: Job) -> Latencies:
    """Return what a simulator and a model that only take time say of it.

    The simulator has `step_latency`, `reset_latency` and perhaps `batch_latency`, the model the
    curves `generator` and `trainer`. Raise PreflightError if one is missing.
    """
    simulator, model = job.simulator, job.model
    told: dict[str, Any] = {
        name: getattr(simulator, f"{name}_latency", None) for name in ("step", "reset", "batch")
    }
    told |= {name: getattr(model, name, None) for name in ("generator", "trainer")}
    for name in ("step", "reset", "generator", "trainer"):
        if not isinstance(told[name], Latency | Curve):
            whose = type(simulator if name in ("step", "reset") else model).__name__
            raise PreflightError(
                f"runtime.latencies is needed: {whose} does not say how long its {name} takes"
            )
    return Latencies(**told, source="the options of simulator and model")
