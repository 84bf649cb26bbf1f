"""Workers that are replaced when they die or hang, over whatever link they are reached."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from rlvla.core.errors import LaneLostError, PluginError, TrainingError
from rlvla.core.runtime.calls import AnswerError, Calls, WorkerDiedError, as_error, as_loss
from rlvla.core.types import Acted, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.runtime.link import Connect
    from rlvla.core.runtime.wire import Message
    from rlvla.core.segment import Segment
    from rlvla.core.types import Request, Start
    from rlvla.core.workers import Beginning, Move

RETRIES = 3
"""Times in a row that a generator is started again for the same batch."""


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long workers may take, in seconds."""

    start: float = 300
    reset: float = 120
    step: float = 30
    model: float = 600
    grace: float = 10


class Supervised:
    """A worker that is built by its first call and built anew after its end."""

    def __init__(
        self,
        name: str,
        connect: Connect,
        deadlines: Deadlines,
        recipe: tuple[str, Mapping[str, Any]],
    ) -> None:
        self.name = name
        self.deadlines = deadlines
        self._connect = connect
        self._recipe = recipe
        self._calls: Calls | None = None
        self._starting = asyncio.Lock()

    async def ready(self) -> Calls:
        """Return the living worker, after starting one if there is none."""
        async with self._starting:
            if self._calls is None or not self._calls.alive:
                self._calls = Calls(self.name, self._connect)
                await self._build(self._calls)
            return self._calls

    async def close(self) -> None:
        """End the worker."""
        if self._calls is not None:
            await self._calls.close(self.deadlines.grace)

    async def _build(self, calls: Calls) -> None:
        try:
            await calls.call("build", *self._recipe, within=self.deadlines.start)
        except AnswerError as error:
            await calls.close(0)
            raise PluginError(f"{self.name} could not be started: {error}") from error


class SupervisedShard:
    """A simulator worker; its death or silence costs the episodes of its lanes."""

    def __init__(self, lanes: Sequence[int], worker: Supervised) -> None:
        self.lanes = lanes
        self._worker = worker
        self._holders: dict[int, Calls] = {}

    async def ready(self) -> None:
        """Start the worker."""
        await self._worker.ready()

    async def reset(self, lane: int, start: Start, *, into: int) -> None:
        """Begin an episode; see `ShardWorker.reset`."""
        await self._begin([lane], "reset", lane, start, into)

    async def replay(self, lane: int, start: Start, slots: Sequence[int], *, into: int) -> None:
        """Repeat an episode; see `ShardWorker.replay`."""
        await self._begin([lane], "replay", lane, start, slots, into, steps=len(slots))

    async def reset_batch(self, beginnings: Sequence[Beginning]) -> None:
        """Begin episodes in many lanes at once; see `ShardWorker.reset_batch`."""
        lanes = [lane for lane, _, _ in beginnings]
        await self._begin(lanes, "reset_batch", beginnings)

    async def step(self, lane: int, slot: int, *, into: int) -> Outcome:
        """Execute the actions in `slot`; see `ShardWorker.step`."""
        return Outcome(*await self._ask(lane, "step", lane, slot, into))

    async def demonstrate(self, lane: int, slot: int, *, into: int) -> Outcome:
        """Let the expert act; see `ShardWorker.demonstrate`."""
        return Outcome(*await self._ask(lane, "demonstrate", lane, slot, into))

    async def step_batch(self, moves: Sequence[Move]) -> Sequence[Outcome]:
        """Execute the actions of many lanes at once; see `ShardWorker.step_batch`.

        Lanes whose worker has ended meanwhile take the others with them, which have just begun.
        """
        lane = min((lane for lane, _, _ in moves), key=lambda one: self._holders[one].alive)
        answers = await self._ask(lane, "step_batch", moves)
        return [Outcome(*answer) for answer in answers]

    async def close(self) -> None:
        """End the worker."""
        await self._worker.close()

    async def _begin(
        self, lanes: Sequence[int], method: str, *values: Message, steps: int = 0
    ) -> Message:
        """Ask the living worker: from now on it holds the episodes of these lanes."""
        try:
            holder = await self._worker.ready()
        except WorkerDiedError as died:
            raise LaneLostError(lanes[0], died.reason, str(died)) from died
        self._holders |= dict.fromkeys(lanes, holder)
        within = self._worker.deadlines.reset + steps * self._worker.deadlines.step
        return await self._answer(lanes[0], holder.call(method, *values, within=within))

    async def _ask(self, lane: int, method: str, *values: Message) -> Message:
        """Ask the worker that began the lane's episode: its successor knows nothing of it."""
        within = self._worker.deadlines.step
        return await self._answer(lane, self._holders[lane].call(method, *values, within=within))

    async def _answer(self, lane: int, answer: asyncio.Future[Message]) -> Message:
        try:
            return await answer
        except WorkerDiedError as died:
            raise LaneLostError(lane, died.reason, str(died)) from died
        except AnswerError as error:
            raise as_loss(lane, error) from error


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
                acted = await calls.call(
                    "act", requests, version=version, rows=rows, within=self._worker.deadlines.model
                )
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
        try:
            return await self._calls.call(method, *values, within=self._worker.deadlines.model)
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
