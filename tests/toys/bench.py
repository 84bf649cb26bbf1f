"""The worker objects of a toy job, and decisions made with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.memory import SharedMemory
from rlvla.core.runtime.build import (
    Memory,
    build_generator,
    build_shard,
    build_trainer,
    layout_of,
)
from rlvla.core.runtime.shard_job import shard_job
from rlvla.core.segment import Segment
from rlvla.core.slots import Slots
from rlvla.core.types import Request, Start
from rlvla.core.workers import Job
from rlvla.plugins.algorithms.ppo import PPO
from toys.line import Line
from toys.tiny import Tiny

if TYPE_CHECKING:
    from rlvla.core.interfaces import Algorithm

LANES = 4


class Bench:
    """A shard, a generator and a trainer over the same rows; no row is ever given back."""

    def __init__(
        self, algorithm: Algorithm | None = None, *, seed: int = 0, rows_of: Bench | None = None
    ) -> None:
        job = Job(
            simulator=Line(),
            model=Tiny(),
            algorithm=algorithm or PPO(batch_size=32, micro_batch_size=8),
            lanes=[range(LANES)],
            slots=400,
            seed=seed,
            max_staleness=1,
        )
        layout = layout_of(job)
        self.slots = Slots(layout, job.slots, bytearray(layout.row_bytes * job.slots))
        if rows_of is not None:
            self.slots = rows_of.slots
        weights = SharedMemory(0, "weights")
        self.algorithm = job.algorithm
        self.policy = job.model.build(job.simulator.spec, seed=seed)
        """As it was before any training."""
        memory = Memory(slots=-1, weights=weights.fd, turns=weights.fd)
        self.trainer = build_trainer(job, self.slots, memory)
        self.generator = build_generator(job, self.slots, memory)
        weights.close()
        self.shard = build_shard(shard_job(job, 0), self.slots, memory)
        self.trainer.publish(0).result()
        self._used = 0
        self._starts = 0
        self._present: dict[int, int] = {}

    def free(self) -> int:
        """Return a row that nobody used."""
        self._used += 1
        return self._used - 1

    def segments(self, count: int, *, length: int = 4, version: int = 0) -> list[Segment]:
        """Return the next `count` segments, of one lane after the other."""
        return [self._segment(number % LANES, length, version) for number in range(count)]

    def groups(self, count: int, *, size: int) -> list[list[Segment]]:
        """Return the episodes of `count` groups of `size`."""
        return [[self._episode(number) for _ in range(size)] for number in range(count)]

    def demonstrations(self, count: int) -> list[Segment]:
        """Return `count` episodes of the expert."""
        return [self._demonstration(self._begin(0)) for _ in range(count)]

    def _segment(self, lane: int, length: int, version: int) -> Segment:
        slots: list[int] = []
        bootstrap: list[int] = []
        for _ in range(length):
            slot = self._present.pop(lane, -1)
            slot = self._begin(lane) if slot < 0 else slot
            request = Request(lane, slot, 1000 * version + slot, 1.0)
            self.generator.act([request], version=version, rows=1)
            into = self.free()
            outcome = self.shard.step(lane, slot, into=into)
            slots.append(slot)
            bootstrap.append(into if outcome.truncated else -1)
            if not outcome.done:
                self._present[lane] = into
        bootstrap[-1] = self._present.get(lane, bootstrap[-1])
        return Segment(lane, tuple(slots), tuple(bootstrap), (version,) * length)

    def _episode(self, group: int) -> Segment:
        slots, slot = list[int](), self.free()
        self.shard.reset(0, Start("go", "train", group), into=slot)
        while True:
            self.generator.act([Request(0, slot, slot, 1.0)], version=0, rows=1)
            slots.append(slot)
            slot = self.free()
            if self.shard.step(0, slots[-1], into=slot).done:
                none = (-1,) * len(slots)
                return Segment(0, tuple(slots), none, (0,) * len(slots), group=group)

    def _demonstration(self, slot: int) -> Segment:
        slots = [slot]
        while True:
            into = self.free()
            if self.shard.demonstrate(0, slots[-1], into=into).done:
                none = (-1,) * len(slots)
                return Segment(0, tuple(slots), none, none)
            slots.append(into)

    def _begin(self, lane: int) -> int:
        into = self.free()
        self.shard.reset(lane, Start("go", "train", self._starts), into=into)
        self._starts += 1
        return into
