"""The runtime `virtual`: as many cells as wanted, on a virtual clock."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.latency import Latencies, load
from rlvla.core.runtime.build import layout_of
from rlvla.core.runtime.recycling import Recycle
from rlvla.core.runtime.supervised import Deadlines, Supervised
from rlvla.core.runtime.supervised_shard import SupervisedShard
from rlvla.core.runtime.supervision import (
    SupervisedGenerator,
    SupervisedTrainer,
    close,
    start,
)
from rlvla.core.runtime.virtual.faults import Faults
from rlvla.core.runtime.virtual.loop import VirtualLoop
from rlvla.core.runtime.virtual.memory import Memory
from rlvla.core.runtime.virtual.resources import claims, ranks
from rlvla.core.runtime.virtual.told import told_by
from rlvla.core.runtime.virtual.trainer import Trainer
from rlvla.core.runtime.virtual.workers import Generator, Shard
from rlvla.core.runtime.virtual.world import Episodes, World
from rlvla.core.standstill import seen_within
from rlvla.core.workers import Cell, Workers

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, Callable, Sequence

    from rlvla.core.placement import Placement
    from rlvla.core.runtime.virtual.work import Behaviour
    from rlvla.core.slots import Layout
    from rlvla.core.types import Array
    from rlvla.core.workers import Job


@dataclass(frozen=True, kw_only=True)
class Virtual:
    """Answers every call after the time that it would take: nothing is simulated or computed."""

    latencies: Latencies | Path | None = None
    """How long everything takes, or the file that says it; none: as the simulator and the model
    say, if they only stand for others."""
    cells: int = 1
    """Machines; each has its own simulators, generators and shared memory, and a share of the
    trainer: the run's lanes and placement are those of one of them."""
    seed: int = 0
    """Of latencies, ends of episodes and faults."""
    ending: float = 0.0
    """Probability that a decision ends its episode, with success."""
    start_s: float = 1.0
    """Seconds that a worker takes to start."""
    faults: Faults = field(default_factory=Faults)
    """What goes wrong."""
    deadlines: Deadlines = field(default_factory=Deadlines)
    """How long workers may take, in seconds."""
    recycle: Recycle = field(default_factory=Recycle)
    """When simulator workers are replaced although they are well; by default never."""

    loop_factory = VirtualLoop
    """The event loop that a run on this runtime needs."""

    def __post_init__(self) -> None:
        if self.cells < 1:
            raise ValueError(f"cells must be at least 1, got {self.cells}")
        if not 0 <= self.ending <= 1:
            raise ValueError(f"ending must be between 0 and 1, got {self.ending}")
        if self.start_s < 0:
            raise ValueError(f"start_s must be at least 0, got {self.start_s}")

    @asynccontextmanager
    async def open(self, job: Job, logs: Path) -> AsyncGenerator[Workers]:
        """Start the workers; see `Runtime.open`."""
        del logs
        async with self.inhabit(self.world(job), job) as workers:
            yield workers

    def world(self, job: Job) -> World:
        """Return an empty world for a job; call it on the loop that the job will run on."""
        layout = layout_of(job)
        beside = job.algorithm.cotraining
        given = load(self.latencies) if isinstance(self.latencies, Path) else self.latencies
        return World(
            latencies=given or told_by(job),
            faults=self.faults,
            episodes=Episodes(
                max_steps=job.simulator.spec.max_steps,
                chunk=layout.parts["decision"]["action"].shape[0],
                ending=self.ending,
            ),
            seed=self.seed,
            memories=[Memory(cell, banks=job.banks) for cell in range(self.cells)],
            batch_size=job.algorithm.batch_size,
            micro_batch_size=job.algorithm.micro_batch_size,
            epochs=job.algorithm.epochs,
            minibatches=job.algorithm.minibatches,
            demonstrated=0 if beside is None else beside.batch_size,
            seen_within=seen_within(job.algorithm, job.max_staleness) or 0,
        )

    @asynccontextmanager
    async def inhabit(self, world: World, job: Job) -> AsyncGenerator[Workers]:
        """Start the workers of a job in its world; they end with the context."""
        crew = _Crew(self, job, world)
        rows = VirtualRows(layout_of(job), job.slots)
        trainer = crew.trainer()
        workers: list[SupervisedShard | SupervisedGenerator | SupervisedTrainer] = [trainer]
        cells: list[Cell] = []
        for cell in range(self.cells):
            shards = [crew.shard(cell, number) for number in range(len(job.lanes))]
            generators = [crew.generator(cell, number) for number in range(job.generators)]
            workers += [*shards, *generators]
            cells.append(Cell(shards, generators, rows))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(close, workers)
            await start(workers)
            used = partial(world.units.used, job.placement.shared, self.cells)
            yield Workers(cells, trainer, used, crew.replaced)


class VirtualRows:
    """Rows that nobody writes: whoever reads one finds zeros."""

    def __init__(self, layout: Layout, count: int) -> None:
        self.count = count
        self._layout = layout

    def read(self, slots: Sequence[int], *parts: str) -> dict[str, Array]:
        """Return zeros of the right shapes; see `Rows.read`."""
        return {
            name: np.zeros((len(slots), *one.shape), one.dtype)
            for part in parts
            for name, one in self._layout.parts[part].items()
        }


class _Crew:
    """Makes the workers of a job, with the real supervision over virtual links."""

    def __init__(self, options: Virtual, job: Job, world: World) -> None:
        self.replaced = Counter[str]()
        """Simulator workers, by why they were."""
        self._options = options
        self._job = job
        self._world = world

    def shard(self, cell: int, number: int) -> SupervisedShard:
        """Return simulator worker `number` of a cell; lanes are numbered through all cells."""
        first = cell * sum(map(len, self._job.lanes))
        lanes = [first + lane for lane in self._job.lanes[number]]
        faults = self._options.faults
        make = partial(
            Shard,
            memory=self._world.memories[cell],
            claims=[claims(self._placement.simulator, cell, number)],
            pace=faults.lag if number in faults.laggards else 1.0,
        )
        worker = self._worker(f"simulator-{cell}.{number}", make)
        worker.replaced = self.replaced
        return SupervisedShard(lanes, worker, self._options.recycle)

    def generator(self, cell: int, number: int) -> SupervisedGenerator:
        """Return generator `number` of a cell."""
        make = partial(
            Generator,
            memory=self._world.memories[cell],
            claims=[claims(self._placement.generator, cell, number)],
        )
        return SupervisedGenerator(self._worker(f"generator-{cell}.{number}", make))

    def trainer(self) -> SupervisedTrainer:
        """Return the trainer, whose ranks are spread over all cells."""
        make = partial(Trainer, claims=ranks(self._placement.trainer, self._options.cells))
        return SupervisedTrainer(self._worker("trainer", make))

    @property
    def _placement(self) -> Placement:
        return self._job.placement

    def _worker(self, name: str, make: Callable[..., Behaviour]) -> Supervised:
        def born(dice: random.Random) -> Behaviour:
            return make(world=self._world, dice=dice, start_s=self._options.start_s)

        connect = partial(self._world.link, make=born)
        return Supervised(name, connect, self._options.deadlines, (name, {}))
