"""Generators and the trainer under supervision, and the start and the end of all workers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from rlvla.core.errors import PluginError, TrainingError
from rlvla.core.runtime.calls import AnswerError, WorkerDiedError, as_error
from rlvla.core.runtime.supervised_shard import SupervisedShard
from rlvla.core.types import Acted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.runtime.supervised import Supervised
    from rlvla.core.runtime.wire import Message
    from rlvla.core.segment import Segment
    from rlvla.core.types import Request

RETRIES = 3
"""Times in a row that a generator is started again for the same batch."""


class SupervisedGenerator:
    """A generator; after its death a new one answers what it was asked."""

    def __init__(self, worker: Supervised) -> None:
        self._worker = worker

    async def ready(self) -> None:
        """Start the worker."""
        await self._worker.ready()

    async def act(self, requests: Sequence[Request], *, version: int, rows: int) -> Acted:
        """Decide; see `GeneratorWorker.act`.

        Asking again is safe: a decision is a function of its observation, noise and weights, and
        the lanes wait for it.
        """
        for attempt in range(RETRIES):
            try:
                calls = await self._worker.ready()
                within = self._worker.deadlines.of("model")
                acted = await calls.call("act", requests, version=version, rows=rows, within=within)
            except WorkerDiedError as died:
                if attempt + 1 == RETRIES:
                    raise TrainingError(
                        f"{died}; {RETRIES} generators in a row ended on the same batch"
                    ) from died
            except AnswerError as error:
                raise as_error(error) from error
            else:
                return Acted(*acted)
        raise AssertionError("unreachable")  # pragma: no cover

    async def close(self) -> None:
        """End the worker."""
        await self._worker.close()


class SupervisedTrainer:
    """The trainer: it holds what the run is about, so its death ends the run."""

    def __init__(self, worker: Supervised) -> None:
        self._worker = worker

    async def ready(self) -> None:
        """Start the worker."""
        self._calls = await self._worker.ready()

    async def accumulate(self, segments: Sequence[Segment]) -> None:
        """Add gradients; see `TrainerWorker.accumulate`."""
        await self._ask("accumulate", segments)

    async def foresee(self, segments: Sequence[Segment]) -> None:
        """Look at decisions that wait; see `TrainerWorker.foresee`."""
        await self._ask("foresee", segments)

    async def store(self, segments: Sequence[Segment]) -> None:
        """Keep demonstrations; see `TrainerWorker.store`."""
        await self._ask("store", segments)

    async def step(self) -> Mapping[str, float]:
        """Take an optimizer step; see `TrainerWorker.step`."""
        metrics: Mapping[str, float] = await self._ask("step")
        return metrics

    async def publish(self, version: int) -> None:
        """Publish; see `TrainerWorker.publish`."""
        await self._ask("publish", version)

    async def save(self, directory: str) -> None:
        """Write all training state; see `TrainerWorker.save`."""
        await self._ask("save", directory)

    async def load(self, directory: str, version: int) -> None:
        """Restore training state; see `TrainerWorker.load`."""
        await self._ask("load", directory, version)

    async def close(self) -> None:
        """End the worker."""
        await self._worker.close()

    async def _ask(self, method: str, *values: object) -> Message:
        within = self._worker.deadlines.of("model")
        try:
            return await self._calls.call(method, *values, within=within)
        except WorkerDiedError as died:
            raise TrainingError(f"{died}; `rlvla resume` continues the run") from died
        except AnswerError as error:
            raise as_error(error) from error


Worker: TypeAlias = SupervisedShard | SupervisedGenerator | SupervisedTrainer


async def start(workers: Sequence[Worker]) -> None:
    """Start all at once; the first failure ends the others and is raised alone."""
    try:
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker.ready())
    except ExceptionGroup as failures:
        first = failures.exceptions[0]
        if isinstance(first, WorkerDiedError):
            raise PluginError(f"{first}; it did not even start") from None
        raise first from None


async def close(workers: Sequence[Worker]) -> None:
    """End all at once."""
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.close())
