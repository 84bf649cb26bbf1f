"""Where lanes wait for decisions, until the batching rule sends them to the generator."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.clock import now
from rlvla.core.errors import ClosedError
from rlvla.core.types import Queue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.interfaces import BatchingRule
    from rlvla.core.metrics import Metrics
    from rlvla.core.types import Request
    from rlvla.core.workers import GeneratorWorker


@dataclass(frozen=True)
class Lockstep:
    """The synchronous baseline: every active lane waits, then all are served at once."""

    def rule(self, groups: Mapping[int, int]) -> Lockstep:
        """Return itself: it remembers nothing."""
        del groups
        return self

    def take(self, queue: Queue) -> Sequence[int]:
        """Return all or nothing."""
        return range(len(queue.lanes)) if len(queue.lanes) >= len(queue.active) else ()

    def patience_ms(self, waited_ms: float) -> float | None:
        """Wait for ever: only an arrival or a departure completes the batch."""
        del waited_ms
        return None

    def served(self, size: int, seconds: float, waited: float) -> None:
        """Learn nothing."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request in the queue."""

    request: Request
    decided: asyncio.Future[int]
    since: float


class Batcher:
    """A queue of requests in order of arrival, served in batches by one generator.

    The clock of a batch starts when its first request is enqueued. A request is never split.
    """

    def __init__(
        self,
        rule: BatchingRule,
        generator: GeneratorWorker,
        metrics: Metrics,
        *,
        number: int = 0,
        padding: Sequence[int] = (),
    ) -> None:
        self.version = 0
        """Version of the weights that the next batch must have at least."""
        self.rivals: Sequence[Batcher] = ()
        """Batchers from which to take requests when there is nothing to do here."""
        self.serving = False
        self._rule = rule
        self._generator = generator
        self._metrics = metrics
        self._gauge = metrics.generators[number]
        self._number = number
        self._padding = sorted(padding)
        self._active: set[int] = set()
        self._queue: list[Waiting] = []
        self._closed = False
        self._held = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._waker: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def join(self, lane: int) -> None:
        """Count one more lane that will ask."""
        self._active.add(lane)

    def leave(self, lane: int) -> None:
        """Count one lane fewer: it waits for something else than a decision."""
        self._active.discard(lane)
        self.wake()

    def decide(self, request: Request) -> asyncio.Future[int]:
        """Return the decision to be on `request`: the version that made it."""
        decided: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self._closed:
            decided.set_exception(ClosedError())
            return decided
        self._queue.append(Waiting(request, decided, now()))
        self.wake()
        if self.serving:
            self._call_rivals()
        return decided

    async def run(self) -> None:
        """Serve until closed."""
        while not self._closed:
            batch = [] if self._held else self._next() or self._stolen()
            if not batch:
                await self._wait()
                continue
            self._idle.clear()
            try:
                await self._serve(batch)
            finally:
                self._idle.set()

    def hold(self) -> None:
        """Begin no batch until `go_on`."""
        self._held = True

    async def idle(self) -> None:
        """Wait until the present batch is over."""
        await self._idle.wait()

    def go_on(self) -> None:
        """Serve again."""
        self._held = False
        self.wake()

    def close(self) -> None:
        """End `run` after the present batch; who still waits gets `ClosedError`."""
        self._closed = True
        self.wake()
        for one in self._queue:
            if not one.decided.done():
                one.decided.set_exception(ClosedError())
        self._queue.clear()

    def wake(self) -> None:
        """Look at the queue again."""
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)

    def _call_rivals(self) -> None:
        """Have those who have nothing to do look at the queue here."""
        if self._queue:
            for rival in self.rivals:
                rival.wake()

    def _stolen(self) -> list[Waiting]:
        """Take from the longest queue of those whose own generator is busy."""
        if self._queue:
            return []
        busy = [rival for rival in self.rivals if rival.serving and rival._queue]
        return max(busy, key=len)._next() if busy else []

    def _next(self) -> list[Waiting]:
        """Take the next batch out of the queue: all for the version that the oldest asks for."""
        self._queue = [one for one in self._queue if not one.decided.done()]
        if not self._queue:
            return []
        version = self._queue[0].request.version
        waiting = [one for one in self._queue if one.request.version == version]
        lanes = [one.request.lane for one in waiting]
        others = {one.request.lane for one in self._queue}.difference(lanes)
        time = now()
        since = [one.since for one in waiting]
        queue = Queue(lanes, self._active - others, (time - since[0]) * 1000, time, since)
        taken = self._rule.take(queue)
        if not taken:
            return []
        batch = [waiting[position] for position in taken]
        gone = {id(one) for one in batch}
        self._queue = [one for one in self._queue if id(one) not in gone]
        return batch

    async def _serve(self, batch: list[Waiting]) -> None:
        largest = self._padding[-1] if self._padding else len(batch)
        rows = next((size for size in self._padding if size >= len(batch)), largest)
        requests = [one.request for one in batch]
        self._gauge.span("batch", self._number, min(one.since for one in batch))
        began = now()
        self.serving = True
        self._call_rivals()
        try:
            with self._gauge.busy("infer", self._number, size=len(batch)):
                acted = await self._generator.act(requests, version=self.version, rows=rows)
        finally:
            self.serving = False
        self._rule.served(len(batch), now() - began, acted.waited_s)
        self._metrics.batch(len(batch))
        for one in batch:
            if not one.decided.done():
                one.decided.set_result(acted.version)

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._waker = loop.create_future()
        timer: asyncio.TimerHandle | None = None
        if self._queue and not self._held:
            patience = self._rule.patience_ms((now() - self._queue[0].since) * 1000)
            if patience is not None:
                timer = loop.call_later(patience / 1000, self.wake)
        try:
            await self._waker
        finally:
            self._waker = None
            if timer is not None:
                timer.cancel()
