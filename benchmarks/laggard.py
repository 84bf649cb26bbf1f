"""A simulator that only takes time, and in one worker many times as long as in the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rlvla.core.hooks import hookimpl
from rlvla.plugins.simulators.latency import LatencySimulator

if TYPE_CHECKING:
    from rlvla.core.latency import Latency
    from rlvla.core.registry import Components


@hookimpl
def register(components: Components) -> None:
    """Register the simulator."""
    components.simulators.add("laggard", "laggard:Laggard")


@dataclass(kw_only=True)
class Laggard(LatencySimulator):
    """`latency` whose first worker is slow."""

    mark: str
    """A file that the worker makes that is slow: the first that finds none."""
    lag: float = 10.0
    """How many times as long everything takes there."""

    def start(self, lanes: int) -> None:
        """Learn whether this worker is the slow one."""
        try:
            Path(self.mark).touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            self.step_latency = self._slowed(self.step_latency)
            self.reset_latency = self._slowed(self.reset_latency)
        super().start(lanes)

    def _slowed(self, latency: Latency) -> Latency:
        return replace(latency, mean_ms=self.lag * latency.mean_ms)
