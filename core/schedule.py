"""Two ways to produce what the trainer learns from: as it comes, or in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlvla.core.admission import Admission
from rlvla.core.order import Order
from rlvla.core.ordered import Gate, OrderedStreamer
from rlvla.core.ordered_rollout import OrderedRollout
from rlvla.core.rollout import Rollout
from rlvla.core.streamer import Streamer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.lane import Lane
    from rlvla.core.ledger import Ledger
    from rlvla.core.metrics import Metrics
    from rlvla.core.progress import Progress
    from rlvla.core.settings import Manifest, Phase
    from rlvla.core.starts import Starts


@dataclass(frozen=True)
class Schedule:
    """What belongs together: who may start work, what comes of it, in which order it leaves."""

    admission: Admission | Gate
    streamer: Streamer | OrderedStreamer
    rollout: Rollout | OrderedRollout


@dataclass(frozen=True, kw_only=True)
class Scheduling:
    """What a schedule is made from."""

    manifest: Manifest
    phase: Phase
    progress: Progress
    lanes: Sequence[Lane]
    """Those that train."""
    starts: Starts
    ledger: Ledger
    metrics: Metrics

    def schedule(self) -> Schedule:
        """Return the schedule that the manifest asks for."""
        return self._ordered() if self.manifest.deterministic else self._free()

    def _free(self) -> Schedule:
        size, eta = self.phase.algorithm.batch_size, self.manifest.asynchrony.max_staleness
        admission = Admission(batch_size=size, max_staleness=eta, version=self.progress.version)
        streamer = Streamer(batch_size=size, max_staleness=eta)
        rollout = Rollout(
            admission=admission, streamer=streamer, starts=self.starts, **self._shared()
        )
        return Schedule(admission, streamer, rollout)

    def _ordered(self) -> Schedule:
        manifest, progress = self.manifest, self.progress
        order = Order(
            lanes=len(self.lanes),
            segments=self.phase.algorithm.batch_size // manifest.asynchrony.segment,
            max_staleness=manifest.asynchrony.max_staleness,
            every=manifest.checkpointing.every,
            begun=progress.updates,
            base=progress.version - progress.updates,
        )
        admission, streamer = Gate(progress.version), OrderedStreamer(order.first)
        rollout = OrderedRollout(
            order=order,
            admission=admission,
            streamer=streamer,
            tasks=manifest.simulator.tasks,
            places={lane.number: place for place, lane in enumerate(self.lanes)},
            **self._shared(),
        )
        return Schedule(admission, streamer, rollout)

    def _shared(self) -> dict[str, Any]:
        return {
            "ledger": self.ledger,
            "metrics": self.metrics,
            "length": self.manifest.asynchrony.segment,
            "temperature": self.phase.algorithm.temperature,
            "seed": self.manifest.seed,
        }
