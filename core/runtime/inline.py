"""The runtime of a debugger: every worker is an object of this process."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
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
from rlvla.core.runtime.turn import seconds_used, turns_bytes, used
from rlvla.core.slots import Slots
from rlvla.core.workers import Cell, Workers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from pathlib import Path

    from rlvla.core.generator import Generator
    from rlvla.core.segment import Segment
    from rlvla.core.shard import Shard
    from rlvla.core.trainer import Trainer
    from rlvla.core.types import Acted, Outcome, Request, Start
    from rlvla.core.workers import Beginning, Job, Move


@dataclass(frozen=True, kw_only=True)
class Inline:
    """Runs simulators, generator and trainer in turn, in this process."""

    @asynccontextmanager
    async def open(self, job: Job, logs: Path) -> AsyncGenerator[Workers]:
        """Build the workers; see `Runtime.open`."""
        del logs
        layout = layout_of(job)
        slots = Slots(layout, job.slots, bytearray(layout.row_bytes * job.slots))
        with (
            closing(SharedMemory(0, "weights")) as weights,
            closing(SharedMemory(turns_bytes(len(job.placement.shared)), "turns")) as turns,
        ):
            memory = Memory(-1, weights.fd, turns.fd)
            device = partial(job.placement.device, visible=False)
            trainer = InlineTrainer(build_trainer(job, slots, memory, device=device("trainer", 0)))
            generators = [
                InlineGenerator(
                    build_generator(job, slots, memory, device=device("generator", number))
                )
                for number in range(job.generators)
            ]
            numbers = range(len(job.lanes))
            shards = [
                InlineShard(job.lanes[n], build_shard(shard_job(_own(job), n), slots, memory))
                for n in numbers
            ]
            try:
                seconds = seconds_used(turns.map())
                cell = Cell(shards, generators, slots)
                yield Workers([cell], trainer, partial(used, job.placement.shared, seconds))
            finally:
                trainer.close()
                for shard in shards:
                    shard.close()


def _own(job: Job) -> Job:
    """Return the job with a simulator that no other shard starts, as processes have it."""
    return replace(job, simulator=deepcopy(job.simulator))


class InlineShard:
    """A shard that gives way to the other stages before each call."""

    def __init__(self, lanes: Sequence[int], shard: Shard) -> None:
        self.lanes = lanes
        self._shard = shard

    async def reset(self, lane: int, start: Start, *, into: int) -> None:
        """Begin an episode; see `ShardWorker.reset`."""
        await asyncio.sleep(0)
        self._shard.reset(lane, start, into)

    async def replay(self, lane: int, start: Start, slots: Sequence[int], *, into: int) -> None:
        """Repeat an episode; see `ShardWorker.replay`."""
        await asyncio.sleep(0)
        self._shard.replay(lane, start, slots, into)

    async def reset_batch(self, beginnings: Sequence[Beginning]) -> None:
        """Begin episodes in many lanes at once; see `ShardWorker.reset_batch`."""
        await asyncio.sleep(0)
        self._shard.reset_batch(beginnings)

    async def step(self, lane: int, slot: int, *, into: int) -> Outcome:
        """Execute the actions in `slot`; see `ShardWorker.step`."""
        await asyncio.sleep(0)
        return self._shard.step(lane, slot, into)

    async def step_batch(self, moves: Sequence[Move]) -> Sequence[Outcome]:
        """Execute the actions of many lanes at once; see `ShardWorker.step_batch`."""
        await asyncio.sleep(0)
        return self._shard.step_batch(moves)

    async def demonstrate(self, lane: int, slot: int, *, into: int) -> Outcome:
        """Let the expert act; see `ShardWorker.demonstrate`."""
        await asyncio.sleep(0)
        return self._shard.demonstrate(lane, slot, into)

    def close(self) -> None:
        """Close the simulator."""
        self._shard.close()


class InlineGenerator:
    """A generator that gives way to the other stages before each call."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    async def act(self, requests: Sequence[Request], *, version: int, rows: int) -> Acted:
        """Decide; see `GeneratorWorker.act`."""
        await asyncio.sleep(0)
        return self._generator.act(requests, version=version, rows=rows)


class InlineTrainer:
    """A trainer that gives way to the other stages before each call."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    async def accumulate(self, segments: Sequence[Segment]) -> None:
        """Add gradients; see `TrainerWorker.accumulate`."""
        await asyncio.sleep(0)
        self._trainer.accumulate(segments)

    async def foresee(self, segments: Sequence[Segment]) -> None:
        """Look at decisions that wait; see `TrainerWorker.foresee`."""
        await asyncio.sleep(0)
        self._trainer.foresee(segments)

    async def store(self, segments: Sequence[Segment]) -> None:
        """Keep demonstrations; see `TrainerWorker.store`."""
        await asyncio.sleep(0)
        self._trainer.store(segments)

    async def step(self) -> Mapping[str, float]:
        """Take an optimizer step; see `TrainerWorker.step`."""
        await asyncio.sleep(0)
        return self._trainer.step()

    async def publish(self, version: int) -> None:
        """Publish; see `TrainerWorker.publish`."""
        self._trainer.publish(version).result()

    async def save(self, directory: str) -> None:
        """Write all training state; see `TrainerWorker.save`."""
        self._trainer.save(directory)

    async def load(self, directory: str, version: int) -> None:
        """Restore training state; see `TrainerWorker.load`."""
        self._trainer.load(directory, version)

    def close(self) -> None:
        """End the copying of weights."""
        self._trainer.close()
