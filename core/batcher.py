"""Where lanes wait for decisions, until the batching rule sends them to the generator."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.clock import now
from rlvla.core.errors import ClosedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlvla.core.interfaces import Batching
    from rlvla.core.metrics import Metrics
    from rlvla.core.types import Request
    from rlvla.core.workers import GeneratorWorker

    Waiting = tuple[Request, asyncio.Future[int], float]


@dataclass(frozen=True)
class Lockstep:
    """The synchronous baseline: every active lane waits, then all are served at once."""

    def take(self, waiting: int, active: int, waited_ms: float) -> int:
        """Return all or nothing."""
        del waited_ms
        return waiting if waiting >= active else 0

    def patience_ms(self, waited_ms: float) -> float | None:
        """Wait for ever: only an arrival or a departure completes the batch."""
        del waited_ms
        return None


class Batcher:
    """A queue of requests in order of arrival, served in batches by one generator.

    The clock of a batch starts when its first request is enqueued. A request is never split.
    """

    def __init__(self, rule: Batching, generator: GeneratorWorker, metrics: Metrics) -> None:
        self.version = 0
        """Version of the weights that the next batch must have at least."""
        self._metrics = metrics
        self._rule = rule
        self._generator = generator
        self._active = 0
        self._queue: deque[Waiting] = deque()
        self._closed = False
        self._changed = asyncio.Event()

    def join(self) -> None:
        """Count one more lane that will ask."""
        self._active += 1

    def leave(self) -> None:
        """Count one lane fewer: it waits for something else than a decision."""
        self._active -= 1
        self._changed.set()

    async def decide(self, request: Request) -> int:
        """Wait for the decision on `request`; return the version that made it."""
        if self._closed:
            raise ClosedError
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.append((request, future, now()))
        self._changed.set()
        return await future

    async def run(self) -> None:
        """Serve until closed."""
        while not self._closed:
            batch = self._next()
            if batch:
                await self._serve(batch)
            else:
                await self._wait()

    def close(self) -> None:
        """End `run` after the present batch; who still waits gets `ClosedError`."""
        self._closed = True
        self._changed.set()
        for _, future, _ in self._drain():
            if not future.done():
                future.set_exception(ClosedError())

    def _waited_ms(self) -> float:
        return (now() - self._queue[0][2]) * 1000

    def _next(self) -> list[Waiting]:
        self._queue = deque(one for one in self._queue if not one[1].cancelled())
        if not self._queue:
            return []
        count = self._rule.take(len(self._queue), self._active, self._waited_ms())
        return [self._queue.popleft() for _ in range(min(count, len(self._queue)))]

    async def _serve(self, batch: list[Waiting]) -> None:
        self._metrics.generator.begin()
        version = await self._generator.act([one[0] for one in batch], version=self.version)
        self._metrics.generator.end()
        self._metrics.batch(len(batch))
        for _, future, _ in batch:
            if not future.done():
                future.set_result(version)

    async def _wait(self) -> None:
        self._changed.clear()
        patience = self._rule.patience_ms(self._waited_ms()) if self._queue else None
        try:
            async with asyncio.timeout(None if patience is None else patience / 1000):
                await self._changed.wait()
        except TimeoutError:
            return

    def _drain(self) -> Iterator[Waiting]:
        while self._queue:
            yield self._queue.popleft()
