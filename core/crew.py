"""The event loop's side of a cell: its lanes, the rows they hold and the batchers they ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.batcher import Batcher, Lockstep
from rlvla.core.dispatcher import Dispatcher
from rlvla.core.gather import Gather
from rlvla.core.gauge import Gauge
from rlvla.core.lane import Lane
from rlvla.core.replay import ReplayingLane
from rlvla.core.slots import FreeSlots

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Sequence

    from rlvla.core.metrics import Metrics
    from rlvla.core.settings import Manifest
    from rlvla.core.workers import Cell, ShardWorker


ALONE = (1,)
"""Passes of one row: who shares a pass, and in which place, changes the last bits of a row."""


class Crew:
    """Of cell number `number`: the run numbers the lanes of all cells through, cell after cell."""

    def __init__(self, number: int, cell: Cell, manifest: Manifest, metrics: Metrics) -> None:
        self.number = number
        self.slots = cell.slots
        self.free = FreeSlots(cell.slots.count, cell=number)
        self._cell = cell
        self._manifest = manifest
        self._metrics = metrics
        self._first = number * len(manifest.assignment.workers)
        self._ending = self._first + manifest.simulator.lanes
        self.batchers = [*self._batchers()]
        if manifest.assignment.stealing:
            for batcher in self.batchers:
                batcher.rivals = [one for one in self.batchers if one is not batcher]
        self.dispatcher = Dispatcher(self.batchers, manifest.assignment.generators, self._first)
        self._gathers: list[Gather] = []
        lanes = [*self._lanes()]
        self.training = [lane for lane in lanes if lane.number < self._ending]
        self.evaluating = [lane for lane in lanes if lane.number >= self._ending]

    def serve(self, stages: asyncio.TaskGroup) -> None:
        """Decide for the lanes and step those that step together, until `close`."""
        for batcher in self.batchers:
            stages.create_task(batcher.run(), name="batcher")
        for gather in self._gathers:
            stages.create_task(gather.run(), name="gather")

    def close(self) -> None:
        """End what `serve` began; lanes that wait for it get `ClosedError`."""
        self.dispatcher.close()
        for gather in self._gathers:
            gather.close()

    def _batchers(self) -> Iterator[Batcher]:
        assignment, manifest = self._manifest.assignment, self._manifest
        rule = manifest.batching if manifest.asynchrony.rollout else Lockstep()
        before = self.number * len(self._cell.generators)
        for number, generator in enumerate(self._cell.generators):
            served = assignment.served[number]
            yield Batcher(
                rule.rule({self._first + lane: assignment.groups[lane] for lane in served}),
                generator,
                self._metrics,
                number=before + number,
                padding=ALONE if manifest.deterministic else manifest.padding,
            )

    def _lanes(self) -> Iterator[Lane]:
        before = self.number * len(self._cell.shards)
        for number, shard in enumerate(self._cell.shards):
            gauge = self._metrics.simulators[before + number]
            if self._manifest.simulator.spec.batched:
                yield from self._together(shard, gauge)
            else:
                for lane in shard.lanes:
                    yield self._lane(lane, shard, self._paced(gauge, lane, [lane]))

    def _together(self, shard: ShardWorker, gauge: Gauge) -> Iterator[Lane]:
        """Yield the lanes of a batched simulator."""
        gather = Gather(shard, self._paced(gauge, gauge.number, shard.lanes), self.dispatcher)
        self._gathers.append(gather)
        apart = Gauge(gauge.tracer, gauge.number)  # only batches are work
        yield from (self._lane(lane, gather, apart) for lane in shard.lanes)

    def _lane(self, lane: int, port: ShardWorker | Gather, gauge: Gauge) -> Lane:
        keeps = self._manifest.deterministic and lane < self._ending
        kind = ReplayingLane if keeps else Lane
        return kind(lane, port, self.dispatcher, self.free, gauge)

    def _paced(self, gauge: Gauge, number: int, lanes: Sequence[int]) -> Gauge:
        """Have the pace noted under this number if any of these lanes trains."""
        trains = any(lane < self._ending for lane in lanes)
        return gauge.paced(self._metrics.paces.of(number)) if trains else gauge
