"""Two ways to produce what the trainer learns from: as it comes, or in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlvla.core.admission import Admission
from rlvla.core.group_rollout import GroupRollout
from rlvla.core.groups import Groups
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
    from rlvla.core.segment import Grouping
    from rlvla.core.settings import Manifest, Phase
    from rlvla.core.starts import Starts


@dataclass(frozen=True)
class Schedule:
    """What belongs together: who may start work, what comes of it, in which order it leaves."""

    admission: Admission | Gate
    streamer: Streamer | OrderedStreamer
    rollout: Rollout | GroupRollout | OrderedRollout


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
        rollout: Rollout | GroupRollout
        if self.phase.algorithm.grouping is None:
            rollout = Rollout(
                admission=admission, streamer=streamer, starts=self.starts, **self._shared()
            )
        else:
            rollout = self._grouped(self.phase.algorithm.grouping, admission, streamer)
        return Schedule(admission, streamer, rollout)

    def _grouped(
        self, grouping: Grouping, admission: Admission, streamer: Streamer
    ) -> GroupRollout:
        groups = Groups(
            grouping=grouping,
            starts=self.starts,
            admission=admission,
            streamer=streamer,
            ledger=self.ledger,
            free={lane.free.cell: lane.free for lane in self.lanes},
        )
        consistent = self.manifest.asynchrony.consistent_groups
        return GroupRollout(
            admission=admission, groups=groups, consistent=consistent, **self._shared()
        )

    def _ordered(self) -> Schedule:
        manifest, progress, algorithm = self.manifest, self.progress, self.phase.algorithm
        grouping = algorithm.grouping
        order = Order(
            lanes=len(self.lanes),
            segments=algorithm.batch_size
            // (manifest.asynchrony.segment if grouping is None else 1),
            together=1 if grouping is None else grouping.size,
            max_staleness=manifest.asynchrony.max_staleness,
            every=manifest.checkpointing.every,
            begun=progress.updates,
            base=progress.version - progress.updates,
        )
        admission, streamer = (
            Gate(progress.version),
            OrderedStreamer(order.first, together=order.together),
        )
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
        algorithm = self.phase.algorithm
        return {
            "ledger": self.ledger,
            "metrics": self.metrics,
            "length": 0 if algorithm.grouping else self.manifest.asynchrony.segment,
            "temperature": algorithm.temperature,
            "seed": self.manifest.seed,
        }
