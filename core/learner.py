"""Learning: segments become batches, batches become versions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from rlvla.core.clock import now
from rlvla.core.trace import ages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.admission import Admission
    from rlvla.core.ledger import Ledger
    from rlvla.core.metrics import Metrics
    from rlvla.core.ordered import Gate, OrderedStreamer
    from rlvla.core.progress import Progress
    from rlvla.core.publisher import Publisher
    from rlvla.core.segment import Parcel, Segment
    from rlvla.core.settings import Asynchrony, Phase
    from rlvla.core.slots import FreeSlots
    from rlvla.core.standstill import Standstill
    from rlvla.core.streamer import Streamer
    from rlvla.core.workers import TrainerWorker


@dataclass(frozen=True, kw_only=True)
class Learner:
    """Makes one update at a time; its caller decides when that ends."""

    phase: Phase
    asynchrony: Asynchrony
    progress: Progress
    trainer: TrainerWorker
    publisher: Publisher
    admission: Admission | Gate
    streamer: Streamer | OrderedStreamer
    ledger: Ledger
    free: Sequence[FreeSlots]
    """Of each cell."""
    metrics: Metrics
    standstill: Standstill | None = None
    """Where decisions must be seen sooner than they arrive."""
    whole: bool = True
    """Hand over a batch that does not stream in one call; otherwise in those in which it would
    stream, as the last bit of a row may depend on the rows that are computed with it."""

    async def update(self) -> dict[str, float]:
        """Train on one batch and publish the next version; return the trainer's metrics."""
        began = now()
        decisions = 0 if self.phase.algorithm.demonstrations else await self._fill()
        if self.standstill is not None:
            await self.standstill.begin(self.progress.version)
        with self.metrics.trainer.busy("update", 0, decisions=decisions):
            metrics = await self.trainer.step()
        self.ledger.train(decisions)
        self._count(decisions, now() - began)
        await self.publisher.announce(self.progress.version)
        if self.standstill is not None:
            await self.standstill.end()
        return _named(metrics)

    async def _fill(self) -> int:
        """Hand the trainer exactly one batch, as it comes or as a whole; return its decisions."""
        room = self.phase.algorithm.batch_size
        decisions = 0
        held: list[list[Segment]] = []
        while room:
            fresh = await self._fresh(room)
            room -= sum(map(len, fresh))
            held.append([one for parcel in fresh for one in parcel.segments])
            if self.asynchrony.stream or not room:
                parts = [[*chain.from_iterable(held)]] if self.whole else held
                for segments in filter(None, parts):
                    await self._accumulate(segments)
                    decisions += sum(map(len, segments))
                held = []
        return decisions

    async def _fresh(self, room: int) -> list[Parcel]:
        """Take segments; whatever admission promised, none that is too old gets further."""
        version = self.progress.version
        fresh: list[Parcel] = []
        began = now()
        taken = await self.streamer.take(version=version, room=room)
        self.metrics.trainer.span("starve", 0, began)
        for parcel in taken:
            if version - min(parcel.versions) <= self.asynchrony.max_staleness:
                fresh.append(parcel)
                continue
            self.ledger.drop(len(parcel.versions), "stale")
            for segment in parcel.segments:
                self._release(segment)
            self.admission.refund(len(parcel))
        return fresh

    async def _accumulate(self, segments: list[Segment]) -> None:
        versions = [made for segment in segments for made in segment.versions]
        with self.metrics.trainer.busy("accumulate", 0, **ages(self.progress.version, versions)):
            await self.trainer.accumulate(segments)
        for segment in segments:
            self.metrics.trained(self.progress.version, segment.versions)
            self._release(segment)

    def _release(self, segment: Segment) -> None:
        self.free[segment.cell].release([*segment.slots, *segment.bootstrap])

    def _count(self, decisions: int, seconds: float) -> None:
        self.progress.version += 1
        self.progress.updates += 1
        self.progress.decisions += decisions or self.phase.algorithm.batch_size
        self.progress.seconds += seconds


def _named(metrics: Mapping[str, float]) -> dict[str, float]:
    return {f"train/{name}": value for name, value in metrics.items()}
