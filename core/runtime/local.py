"""The runtime of one machine: a process per worker, data in shared memory, ids on pipes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlvla.core.errors import LaneLostError, PluginError, TrainingError
from rlvla.core.memory import SharedMemory
from rlvla.core.runtime.build import job_to_plain, layout_of
from rlvla.core.runtime.process import (
    AnswerError,
    Launch,
    WorkerDiedError,
    WorkerProcess,
    as_error,
    as_loss,
)
from rlvla.core.slots import Slots
from rlvla.core.workers import Workers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from pathlib import Path

    from rlvla.core.runtime import wire
    from rlvla.core.types import Outcome, Request, Segment, Start
    from rlvla.core.workers import Job


@dataclass(frozen=True, kw_only=True)
class Local:
    """Runs simulators, generator and trainer as processes of this machine."""

    start_timeout_s: float = 300
    """A worker that takes longer to start is killed."""
    reset_timeout_s: float = 120
    """A simulator worker that takes longer to begin an episode is replaced."""
    step_timeout_s: float = 30
    """A simulator worker that takes longer to execute a chunk is replaced."""
    model_timeout_s: float = 600
    """A generator or trainer that takes longer for one call ends the run."""
    grace_s: float = 10
    """How long a worker may take to end by itself."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    @asynccontextmanager
    async def open(self, job: Job, logs: Path) -> AsyncGenerator[Workers]:
        """Start the workers; see `Runtime.open`."""
        layout = layout_of(job)
        async with AsyncExitStack() as stack:
            rows = SharedMemory(layout.row_bytes * job.slots, "slots")
            stack.callback(rows.close)
            weights = SharedMemory(0, "weights")
            stack.callback(weights.close)
            launch = Launch(slots=rows.fd, weights=weights.fd, logs=logs)
            shards = [LocalShard(self, job, launch, number) for number in range(len(job.lanes))]
            generator = LocalModel(self, job, launch, "generator")
            trainer = LocalModel(self, job, launch, "trainer")
            workers: list[LocalShard | LocalModel] = [*shards, generator, trainer]
            stack.push_async_callback(_close, workers)
            await _start(workers)
            yield Workers(shards, generator, trainer, Slots(layout, job.slots, rows.map()))


class LocalShard:
    """A simulator worker that is replaced when it dies or hangs."""

    def __init__(self, options: Local, job: Job, launch: Launch, number: int) -> None:
        self.lanes = job.lanes[number]
        self._options = options
        self._plain = job_to_plain(job)
        self._launch = launch
        self._number = number
        self._process: WorkerProcess | None = None
        self._holders: dict[int, WorkerProcess] = {}
        self._starting = asyncio.Lock()

    async def ready(self) -> WorkerProcess:
        """Return the live process, starting one if there is none."""
        async with self._starting:
            if self._process is None or not self._process.alive:
                self._process = WorkerProcess(f"simulator-{self._number}", self._launch)
                await _build(self._process, self._options, "shard", self._number, self._plain)
            return self._process

    async def reset(self, lane: int, start: Start, *, into: int) -> None:
        """Begin an episode; see `ShardWorker.reset`."""
        try:
            self._holders[lane] = await self.ready()
        except WorkerDiedError as died:
            raise LaneLostError(lane, died.reason, str(died)) from died
        await self._call("reset", lane, start, into=into, within=self._options.reset_timeout_s)

    async def step(self, lane: int, slot: int, *, into: int) -> Outcome:
        """Execute the actions in `slot`; see `ShardWorker.step`."""
        within = self._options.step_timeout_s
        outcome: Outcome = await self._call("step", lane, slot, into=into, within=within)
        return outcome

    async def demonstrate(self, lane: int, slot: int, *, into: int) -> Outcome:
        """Let the expert act; see `ShardWorker.demonstrate`."""
        within = self._options.step_timeout_s
        outcome: Outcome = await self._call("demonstrate", lane, slot, into=into, within=within)
        return outcome

    async def close(self) -> None:
        """End the process."""
        if self._process is not None:
            await self._process.close(self._options.grace_s)

    async def _call(
        self, method: str, lane: int, value: object, *, into: int, within: float
    ) -> wire.Message:
        """Call the process that began the lane's episode: its successor knows nothing of it."""
        try:
            return await self._holders[lane].call(method, lane, value, into=into, within=within)
        except WorkerDiedError as died:
            raise LaneLostError(lane, died.reason, str(died)) from died
        except AnswerError as error:
            raise as_loss(lane, error) from error


class LocalModel:
    """The generator or the trainer: it holds what the run is about, so its death ends the run."""

    def __init__(self, options: Local, job: Job, launch: Launch, role: str) -> None:
        self._options = options
        self._plain = job_to_plain(job)
        self._launch = launch
        self._role = role
        self._process: WorkerProcess | None = None

    async def ready(self) -> None:
        """Start the process."""
        self._process = WorkerProcess(self._role, self._launch)
        await _build(self._process, self._options, self._role, 0, self._plain)

    async def act(self, requests: Sequence[Request], *, version: int) -> int:
        """Decide; see `GeneratorWorker.act`."""
        made: int = await self._call("act", list(requests), version=version)
        return made

    async def accumulate(self, segments: Sequence[Segment]) -> None:
        """Add gradients; see `TrainerWorker.accumulate`."""
        await self._call("accumulate", list(segments))

    async def store(self, segments: Sequence[Segment]) -> None:
        """Keep demonstrations; see `TrainerWorker.store`."""
        await self._call("store", list(segments))

    async def step(self, version: int) -> Mapping[str, float]:
        """Take an optimizer step; see `TrainerWorker.step`."""
        metrics: Mapping[str, float] = await self._call("step", version)
        return metrics

    async def publish(self, version: int) -> None:
        """Publish; see `TrainerWorker.publish`."""
        await self._call("publish", version)

    async def save(self, directory: str) -> None:
        """Write all training state; see `TrainerWorker.save`."""
        await self._call("save", directory)

    async def load(self, directory: str, version: int) -> None:
        """Restore training state; see `TrainerWorker.load`."""
        await self._call("load", directory, version)

    async def close(self) -> None:
        """End the process."""
        if self._process is not None:
            await self._process.close(self._options.grace_s)

    async def _call(self, method: str, *values: object, **named: object) -> wire.Message:
        if self._process is None:
            raise TrainingError(f"the {self._role} was never started")
        try:
            return await self._process.call(
                method, *values, within=self._options.model_timeout_s, **named
            )
        except WorkerDiedError as died:
            raise TrainingError(f"{died}; `rlvla resume` continues the run") from died
        except AnswerError as error:
            raise as_error(error) from error


async def _build(
    process: WorkerProcess, options: Local, role: str, number: int, plain: Mapping[str, Any]
) -> None:
    try:
        await process.call("build", role, number, plain, within=options.start_timeout_s)
    except AnswerError as error:
        await process.close(0)
        raise PluginError(f"{process.name} could not be started: {error}") from error


async def _start(workers: Sequence[LocalShard | LocalModel]) -> None:
    """Start all at once; the first failure ends the others and is raised alone."""
    try:
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker.ready())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _close(workers: Sequence[LocalShard | LocalModel]) -> None:
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.close())
