"""A closed queue: lanes that think, one generator that serves them in batches, and no core."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from rlvla.core.types import Queue

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.interfaces import Batching

INFINITY = float("inf")


@dataclass(frozen=True, kw_only=True)
class Closed:
    """`lanes` lanes that simulate for `think` seconds and a generator that takes a + c·b."""

    lanes: int
    think: Callable[[random.Random, int], float]
    """Draws the seconds between a decision and the next request of a lane."""
    fixed: float
    """a, in seconds."""
    each: float
    """c, in seconds."""
    noise: float = 0.0
    """Coefficient of variation of the generator's time."""
    workers: int = 0
    """Workers that simulate one lane after the other, neighbours by the same; 0: one per lane."""
    batched: bool = False
    """A worker steps all its lanes at once, when each of them has its decision."""

    def rate(self, batching: Batching, *, decisions: int, warm: int = 0, seed: int = 0) -> float:
        """Return decisions per second of the `decisions` that follow the first `warm`."""
        run = Run(self, batching, seed)
        run.until(warm)
        began = run.time
        first = run.decided
        run.until(first + decisions)
        return (run.decided - first) / (run.time - began)


class Run:
    """The event simulation; it asks the rule exactly when the core's batcher does."""

    def __init__(self, system: Closed, batching: Batching, seed: int) -> None:
        self.system = system
        self.rule = batching.rule(dict.fromkeys(range(system.lanes), 0))
        self.random = random.Random(seed)
        self.time = 0.0
        self.decided = 0
        self._active = frozenset(range(system.lanes))
        self._order = count()
        self._arrivals: list[tuple[float, int, int]] = []
        self._waiting: dict[int, float] = {}
        workers = system.workers or system.lanes
        self._worker = [lane * workers // system.lanes for lane in range(system.lanes)]
        self._busy = [0.0] * workers
        self._ready: list[list[int]] = [[] for _ in range(workers)]
        for lane in range(system.lanes):
            self._think(lane)

    def until(self, decisions: int) -> None:
        """Go on until so many decisions were made."""
        while self.decided < decisions:
            self._step()

    def _step(self) -> None:
        batch = self._take()
        if batch:
            self._serve(batch)
            return
        patience = None
        if self._waiting:
            patience = self.rule.patience_ms((self.time - min(self._waiting.values())) * 1000)
        alarm = INFINITY if patience is None else self.time + patience / 1000
        arrival = self._arrivals[0][0] if self._arrivals else INFINITY
        assert min(alarm, arrival) < INFINITY, "all wait for ever"
        self.time = max(min(alarm, arrival), self.time)
        self._arrive()

    def _take(self) -> list[int]:
        if not self._waiting:
            return []
        lanes, since = [*self._waiting], [*self._waiting.values()]
        waited = (self.time - since[0]) * 1000
        taken = self.rule.take(Queue(lanes, self._active, waited, self.time, since))
        return [lanes[position] for position in taken]

    def _serve(self, batch: list[int]) -> None:
        system = self.system
        seconds = system.fixed + system.each * len(batch)
        if system.noise:
            seconds *= max(self.random.gauss(1.0, system.noise), 0.1)
        for lane in batch:
            del self._waiting[lane]
        self.time += seconds
        self._arrive()
        self.rule.served(len(batch), seconds, 0.0)
        self.decided += len(batch)
        for lane in batch:
            self._think(lane)

    def _think(self, lane: int) -> None:
        worker = self._worker[lane]
        ready = self._ready[worker]
        ready.append(lane)
        if self.system.batched and len(ready) < self._worker.count(worker):
            return
        began = max(self.time, self._busy[worker])
        self._busy[worker] = back = began + self.system.think(self.random, lane)
        for one in ready:
            heapq.heappush(self._arrivals, (back, next(self._order), one))
        ready.clear()

    def _arrive(self) -> None:
        while self._arrivals and self._arrivals[0][0] <= self.time:
            since, _, lane = heapq.heappop(self._arrivals)
            self._waiting[lane] = since
