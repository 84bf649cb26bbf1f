"""Planted defects: batchers and the rules of batching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.batcher import Batcher
from rlvla.core.clock import now
from rlvla.core.types import Queue
from rlvla.plugins.schedulers.dynamic import Dynamic
from rlvla.plugins.schedulers.greedy import Greedy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rlvla.core.batcher import Waiting
    from rlvla.core.interfaces import Batching, BatchingRule


class AnswersTooEarly(Batcher):
    async def _serve(self, batch: list[Waiting]) -> None:
        for one in batch:
            if not one.decided.done():
                one.decided.set_result(self.version)
        await super()._serve(batch)


class LosesARequest(Batcher):
    async def _serve(self, batch: list[Waiting]) -> None:
        await super()._serve(batch if len(batch) < 3 else batch[1:])


class ServesWithoutRemoving(Batcher):
    def _next(self) -> list[Waiting]:
        batch = super()._next()
        self._queue = batch[-1:] + self._queue if len(batch) > 1 else self._queue
        return batch


class SleepsThroughDepartures(Batcher):
    def leave(self, lane: int) -> None:
        self._active.discard(lane)


class ForgetsPatience(Batcher):
    async def _wait(self) -> None:
        queue, self._queue = self._queue, []
        try:
            await super()._wait()
        finally:
            self._queue = queue + self._queue


class IdleClock(Batcher):
    """The clock of a batch starts when the generator is free, as in the code of RL-VLA³."""

    _rule: BatchingRule
    _idle = 0.0

    async def _serve(self, batch: list[Waiting]) -> None:
        await super()._serve(batch)
        self._idle = now()

    def _next(self) -> list[Waiting]:
        rule = self._rule
        self._rule = _Late(rule, self._idle)
        try:
            return super()._next()
        finally:
            self._rule = rule


@dataclass(frozen=True)
class _Late:
    rule: BatchingRule
    since: float

    def take(self, queue: Queue) -> Sequence[int]:
        waited = (queue.time_s - self.since) * 1000
        return self.rule.take(Queue(queue.lanes, queue.active, waited, queue.time_s, queue.since_s))

    def patience_ms(self, waited_ms: float) -> float | None:
        return self.rule.patience_ms(waited_ms)

    def served(self, size: int, seconds: float, waited: float) -> None:
        self.rule.served(size, seconds, waited)


@dataclass
class Altered:
    """A batching scheduler whose rule does something else with the queue."""

    batching: Batching
    take: Callable[[BatchingRule, Queue, list[float]], Sequence[int]]

    def rule(self, groups: Mapping[int, int]) -> AlteredRule:
        return AlteredRule(self.batching.rule(groups), self.take, [0.0])


@dataclass
class AlteredRule:
    inner: BatchingRule
    other: Callable[[BatchingRule, Queue, list[float]], Sequence[int]]
    clock: list[float]

    def take(self, queue: Queue) -> Sequence[int]:
        return self.other(self.inner, queue, self.clock)

    def patience_ms(self, waited_ms: float) -> float | None:
        return self.inner.patience_ms(waited_ms)

    def served(self, size: int, seconds: float, waited: float) -> None:
        self.inner.served(size, seconds, waited)
        self.clock[0] = now()


def _newest(rule: BatchingRule, queue: Queue, clock: list[float]) -> Sequence[int]:
    """Serve who came last: the oldest request starves."""
    del clock
    count, waiting = len(rule.take(queue)), len(queue.lanes)
    return range(waiting - count, waiting)


def _from_idle(rule: BatchingRule, queue: Queue, clock: list[float]) -> Sequence[int]:
    """Count the wait from when the generator was free, as in the code of RL-VLA³."""
    waited = (queue.time_s - clock[0]) * 1000
    return rule.take(Queue(queue.lanes, queue.active, waited, queue.time_s, queue.since_s))


def _too_many(rule: BatchingRule, queue: Queue, clock: list[float]) -> Sequence[int]:
    """Fill a batch over its limit."""
    del clock
    taken = len(rule.take(queue))
    return range(min(taken + 1, len(queue.lanes))) if taken else ()


def altered(
    take: Callable[[BatchingRule, Queue, list[float]], Sequence[int]],
) -> Callable[[Batching], Batching]:
    """Return what alters schedulers whose order is fixed."""

    def alter(batching: Batching) -> Batching:
        return Altered(batching, take) if isinstance(batching, Greedy | Dynamic) else batching

    return alter


BATCHES: Mapping[str, Mapping[str, object]] = {
    "answers before the generator is done": {"crew:Batcher": AnswersTooEarly},
    "loses a request": {"crew:Batcher": LosesARequest},
    "leaves a request in the queue": {"crew:Batcher": ServesWithoutRemoving},
    "sleeps through departures": {"crew:Batcher": SleepsThroughDepartures},
    "sets no timer": {"crew:Batcher": ForgetsPatience},
    "starts the clock of a batch when it is free": {"crew:Batcher": IdleClock},
    "starts the clock of a rule when it is free": {"": altered(_from_idle)},
    "serves the newest first": {"": altered(_newest)},
    "fills batches over their limit": {"": altered(_too_many)},
}
