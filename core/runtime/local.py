"""The runtime of one machine: a process per worker, data in shared memory, ids on sockets."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rlvla.core.component import describe
from rlvla.core.elsewhere import Elsewhere
from rlvla.core.errors import PreflightError
from rlvla.core.memory import SharedMemory
from rlvla.core.runtime.build import job_to_plain, layout_of
from rlvla.core.runtime.process import Launch
from rlvla.core.runtime.recycling import Recycle
from rlvla.core.runtime.shard_job import shard_job
from rlvla.core.runtime.supervised import Deadlines, Supervised
from rlvla.core.runtime.supervised_shard import SupervisedShard
from rlvla.core.runtime.supervision import (
    SupervisedGenerator,
    SupervisedTrainer,
    Worker,
    close,
    start,
)
from rlvla.core.runtime.turn import seconds_used, turns_bytes, used
from rlvla.core.slots import Slots
from rlvla.core.workers import Cell, Workers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from rlvla.core.interfaces import Simulator
    from rlvla.core.placement import Placement, Resources
    from rlvla.core.workers import Job


@dataclass(frozen=True, kw_only=True)
class Local:
    """Runs simulators, generators and trainer as processes of this machine."""

    start_timeout_s: float = 300
    """A worker that takes longer to start is killed."""
    reset_timeout_s: float = 120
    """A simulator worker that takes longer to begin an episode is replaced."""
    step_timeout_s: float = 30
    """A simulator worker that takes longer to execute a chunk is replaced."""
    model_timeout_s: float = 600
    """A generator that takes longer for one call is replaced; a trainer ends the run."""
    close_timeout_s: float = 10
    """A worker that takes longer to end by itself is killed."""
    recycle: Recycle = field(default_factory=Recycle)
    """When simulator workers are replaced although they are well; by default never."""

    def __post_init__(self) -> None:
        for name in (name for name in self.__dataclass_fields__ if name.endswith("_s")):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    @asynccontextmanager
    async def open(self, job: Job, logs: Path) -> AsyncGenerator[Workers]:
        """Start the workers; see `Runtime.open`."""
        _check_cores(job.placement)
        _prepare(job.simulator)
        layout = layout_of(job)
        async with AsyncExitStack() as stack:
            rows = SharedMemory(layout.row_bytes * job.slots, "slots")
            weights, turns = (
                SharedMemory(0, "weights"),
                SharedMemory(turns_bytes(len(job.placement.shared)), "turns"),
            )
            for memory in (rows, weights, turns):
                stack.callback(memory.close)
            crew = _Crew(self, job, Launch(rows.fd, weights.fd, turns.fd, logs))
            shards = [crew.shard(number) for number in range(len(job.lanes))]
            generators = [crew.generator(number) for number in range(job.generators)]
            trainer = crew.trainer()
            workers: list[Worker] = [*shards, *generators, trainer]
            stack.push_async_callback(close, workers)
            await start(workers)
            cell = Cell(shards, generators, Slots(layout, job.slots, rows.map()))
            seconds = seconds_used(turns.map())
            used_up = partial(used, job.placement.shared, seconds)
            yield Workers([cell], trainer, used_up, crew.replaced)


def _check_cores(placement: Placement) -> None:
    mine = os.sched_getaffinity(0)
    for group in ("simulator", "generator", "trainer"):
        resources: Resources = getattr(placement, group)
        if missing := {*resources.cores} - mine:
            raise PreflightError(
                f"placement.{group}.cores: no core {min(missing)} for this process, "
                f"expected any of {', '.join(map(str, sorted(mine)))}"
            )


def _prepare(simulator: Simulator) -> None:
    prepare: Callable[[], None] | None = getattr(simulator, "prepare", None)
    if prepare is not None:
        try:
            prepare()
        except RuntimeError as error:
            raise PreflightError(f"simulator: {error}") from error


class _Crew:
    """Makes the workers of a job."""

    def __init__(self, options: Local, job: Job, launch: Launch) -> None:
        self.replaced = Counter[str]()
        """Simulator workers, by why they were."""
        self._job = job
        self._launch = launch
        self._options = options
        self._deadlines = Deadlines(
            start=options.start_timeout_s,
            reset=options.reset_timeout_s,
            step=options.step_timeout_s,
            model=options.model_timeout_s,
            close=options.close_timeout_s,
        )

    def shard(self, number: int) -> SupervisedShard:
        job, launch = shard_job(self._job, number), self._placed(self._launch, "shard", number)
        if isinstance(job.simulator, Elsewhere):
            launch = replace(launch, interpreter=job.simulator.interpreter)
            job = replace(job, simulator=job.simulator.simulator)
        worker = self._worker(f"simulator-{number}", launch, ("shard", describe(job)))
        worker.replaced = self.replaced
        return SupervisedShard(self._job.lanes[number], worker, self._options.recycle)

    def generator(self, number: int) -> SupervisedGenerator:
        launch = self._placed(self._launch, "generator", number)
        recipe = ("generator", job_to_plain(self._job))
        return SupervisedGenerator(self._worker(f"generator-{number}", launch, recipe))

    def trainer(self) -> SupervisedTrainer:
        launch = self._placed(self._launch, "trainer", 0)
        recipe = ("trainer", job_to_plain(self._job))
        return SupervisedTrainer(self._worker("trainer", launch, recipe))

    def _placed(self, launch: Launch, role: str, number: int) -> Launch:
        return replace(launch, number=number, resources=self._job.placement.of(role))

    def _worker(self, name: str, launch: Launch, recipe: tuple[str, dict[str, Any]]) -> Supervised:
        return Supervised(name, launch.connect, self._deadlines, recipe)
