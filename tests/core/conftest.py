"""Small workers with random paces that a run can be made of."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from rlvla.core.admission import Admission
from rlvla.core.batcher import Batcher
from rlvla.core.dispatcher import Dispatcher
from rlvla.core.errors import LaneLostError
from rlvla.core.lane import Lane
from rlvla.core.learner import Learner
from rlvla.core.ledger import Ledger
from rlvla.core.metrics import Metrics
from rlvla.core.progress import Progress
from rlvla.core.publisher import Publisher
from rlvla.core.rollout import Rollout
from rlvla.core.runtime.virtual.loop import run_virtually
from rlvla.core.settings import Asynchrony, Budget, Phase
from rlvla.core.slots import FreeSlots
from rlvla.core.starts import Starts
from rlvla.core.streamer import Streamer
from rlvla.core.types import Acted, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from rlvla.core.interfaces import Algorithm, BatchingRule
    from rlvla.core.segment import Segment
    from rlvla.core.types import Queue, Request, Start
    from rlvla.core.workers import Beginning, Move


@pytest.fixture(scope="session")
def virtually() -> Callable[[Coroutine[object, object, object]], object]:
    return run_virtually


@dataclass(frozen=True)
class Greedy:
    """Serve whatever waits."""

    def take(self, queue: Queue) -> Sequence[int]:
        return range(len(queue.lanes))

    def patience_ms(self, waited_ms: float) -> float | None:
        del waited_ms
        return None

    def served(self, size: int, seconds: float, waited: float) -> None:
        pass


@dataclass
class Rows:
    """What lies in each slot, and a check that everybody finds there what he expects."""

    observation: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    """Slot to lane and ordinal of the observation in that lane."""
    version: dict[int, int] = field(default_factory=dict[int, int])
    """Slot to the version that decided."""
    used: set[int] = field(default_factory=set[int])
    """Slots whose decision was executed."""

    def observe(self, slot: int, lane: int, ordinal: int) -> None:
        self.observation[slot] = (lane, ordinal)
        self.version.pop(slot, None)
        self.used.discard(slot)


@dataclass
class PacedShard:
    """Lanes that take random times and now and then lose their episode or end it."""

    lanes: Sequence[int]
    rows: Rows
    random: random.Random
    pace: Mapping[int, float]
    """Lane to its mean seconds per call."""
    loss: float = 0.0
    """Probability that a call loses the episode."""
    end: float = 0.2
    """Probability that a step ends the episode."""
    starts: list[Start] = field(default_factory=list["Start"])
    replays: int = 0
    _begun: dict[int, Start] = field(default_factory=dict[int, "Start"])
    _seen: dict[int, int] = field(default_factory=dict[int, int])

    async def reset(self, lane: int, start: Start, *, into: int) -> None:
        await self._work(lane)
        self.starts.append(start)
        self._begun[lane] = start
        self._show(lane, into)

    async def replay(self, lane: int, start: Start, slots: Sequence[int], *, into: int) -> None:
        assert start == self._begun[lane]
        seen = [self.rows.observation[slot] for slot in slots]
        assert seen == [(lane, self._seen[lane] - back) for back in range(len(slots), 0, -1)]
        await self._work(lane)
        self.rows.observe(into, lane, self._seen[lane])
        self.replays += 1

    async def step(self, lane: int, slot: int, *, into: int) -> Outcome:
        assert slot in self.rows.version, "the decision must be there"
        return await self.demonstrate(lane, slot, into=into)

    async def demonstrate(self, lane: int, slot: int, *, into: int) -> Outcome:
        assert self.rows.observation[slot] == (lane, self._seen[lane])
        await self._work(lane)
        self.rows.used.add(slot)
        self._show(lane, into)
        draw = self.random.random() / max(self.end, 1e-9)
        return Outcome(1.0, 2, terminated=draw < 0.5, truncated=0.5 <= draw < 1, success=draw < 0.5)

    async def reset_batch(self, beginnings: Sequence[Beginning]) -> None:
        raise NotImplementedError(beginnings)

    async def step_batch(self, moves: Sequence[Move]) -> Sequence[Outcome]:
        raise NotImplementedError(moves)

    def _show(self, lane: int, into: int) -> None:
        self._seen[lane] = self._seen.get(lane, -1) + 1
        self.rows.observe(into, lane, self._seen[lane])

    async def _work(self, lane: int) -> None:
        await asyncio.sleep(self.random.expovariate(1 / self.pace[lane]))
        if self.random.random() < self.loss:
            raise LaneLostError(lane, "crash", "its simulator worker was killed")


@dataclass
class PacedTrainer:
    """Counts and checks what it gets; publishes as slowly as it trains."""

    rows: Rows
    random: random.Random
    pace: float
    batch_size: int
    max_staleness: int
    published: int = 0
    updates: int = 0
    got: int = 0
    stored: list[Segment] = field(default_factory=list["Segment"])
    staleness: list[int] = field(default_factory=list[int])
    calls: list[int] = field(default_factory=list[int])
    """Decisions of each call of `accumulate` since the last step."""

    async def accumulate(self, segments: Sequence[Segment]) -> None:
        await self._work()
        for segment in segments:
            self._check(segment)
        self.calls.append(sum(map(len, segments)))
        self.got += self.calls[-1]

    async def store(self, segments: Sequence[Segment]) -> None:
        await self._work()
        self.stored += segments

    async def foresee(self, segments: Sequence[Segment]) -> None:
        raise NotImplementedError(segments)

    async def step(self) -> Mapping[str, float]:
        assert self.got in (0, self.batch_size)
        await self._work()
        self.got = 0
        self.updates += 1
        return {"loss": float(self.updates)}

    async def publish(self, version: int) -> None:
        assert self.published < version <= self.updates
        await self._work()
        self.published = version

    async def save(self, directory: str) -> None:
        raise NotImplementedError(directory)

    async def load(self, directory: str, version: int) -> None:
        raise NotImplementedError(directory, version)

    async def _work(self) -> None:
        await asyncio.sleep(self.random.expovariate(1 / self.pace))

    def _check(self, segment: Segment) -> None:
        """The rows are still those of the segment, in time order, and young enough."""
        seen = [self.rows.observation[slot] for slot in segment.slots]
        assert seen == sorted(seen)
        assert {lane for lane, _ in seen} == {segment.lane}
        assert self.rows.used.issuperset(segment.slots)
        assert tuple(self.rows.version[slot] for slot in segment.slots) == segment.versions
        ages = [self.updates - version for version in segment.versions]
        assert min(ages) >= 0
        assert max(ages) <= self.max_staleness, f"{segment} at version {self.updates}"
        self.staleness += ages
        for slot, after in zip(segment.slots, segment.bootstrap, strict=True):
            lane, ordinal = self.rows.observation[slot]
            assert after < 0 or self.rows.observation[after] == (lane, ordinal + 1)


@dataclass
class PacedGenerator:
    """Decides with any version between the one asked for and the newest published."""

    rows: Rows
    random: random.Random
    trainer: PacedTrainer
    pace: float
    batches: list[list[Request]] = field(default_factory=list["list[Request]"])

    async def act(self, requests: Sequence[Request], *, version: int, rows: int) -> Acted:
        assert rows == len(requests)
        made = self.random.randint(version, self.trainer.published)
        await asyncio.sleep(self.random.expovariate(1 / self.pace))
        for request in requests:
            assert request.slot in self.rows.observation
            assert request.slot not in self.rows.version, "one decision for each observation"
            self.rows.version[request.slot] = made
        self.batches.append(list(requests))
        return Acted(made)


@dataclass(kw_only=True)
class World:
    """A run of the real rooms over paced workers; make it inside a running loop."""

    seed: int = 0
    lanes: int = 4
    batch_size: int = 8
    length: int = 4
    max_staleness: int = 1
    stream: bool = True
    loss: float = 0.0
    end: float = 0.2
    demonstrations: int = 0
    slots: int = 4000
    version: int = 0
    rule: BatchingRule = field(default_factory=Greedy)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.rows = Rows()
        pace = {lane: self.random.choice((0.01, 0.1, 1.0, 100.0)) for lane in range(self.lanes)}
        self.shard = PacedShard(
            range(self.lanes), self.rows, self.random, pace, self.loss, self.end
        )
        self.trainer = PacedTrainer(
            self.rows,
            self.random,
            self.random.choice((0.01, 1.0)),
            self.batch_size,
            self.max_staleness,
            self.version,
            self.version,
        )
        self.generator = PacedGenerator(self.rows, self.random, self.trainer, 0.05)
        self.metrics = Metrics(1)
        self.ledger = Ledger()
        self.free = FreeSlots(self.slots)
        self.starts = Starts(("reach", "push"), seed=self.seed)
        self.progress = Progress(version=self.version)
        self.batcher = Batcher(self.rule, self.generator, self.metrics)
        self.dispatcher = Dispatcher([self.batcher], [0] * self.lanes, first=0)
        self.dispatcher.version = self.version
        self.admission = Admission(
            batch_size=self.batch_size, max_staleness=self.max_staleness, version=self.version
        )
        self.streamer = Streamer(batch_size=self.batch_size, max_staleness=self.max_staleness)
        self.publisher = Publisher(self.trainer, [self.dispatcher], self.admission)
        gauge = self.metrics.simulators[0]
        self.crew = [
            Lane(number, self.shard, self.dispatcher, self.free, gauge)
            for number in range(self.lanes)
        ]

    def rollout(self) -> Rollout:
        return Rollout(
            admission=self.admission,
            streamer=self.streamer,
            ledger=self.ledger,
            starts=self.starts,
            metrics=self.metrics,
            length=self.length,
            temperature=1.0,
            seed=self.seed,
        )

    def learner(self) -> Learner:
        plan = SimpleNamespace(batch_size=self.batch_size, demonstrations=self.demonstrations)
        return Learner(
            phase=Phase("plan", cast("Algorithm", plan), Budget(updates=1)),
            asynchrony=Asynchrony(
                stream=self.stream, max_staleness=self.max_staleness, segment=self.length
            ),
            progress=self.progress,
            trainer=self.trainer,
            publisher=self.publisher,
            admission=self.admission,
            streamer=self.streamer,
            ledger=self.ledger,
            free=[self.free],
            metrics=self.metrics,
        )

    async def train(self, updates: int, after: Callable[[], None] = lambda: None) -> None:
        """Make `updates` updates, calling `after` after each, and let every lane end."""
        rollout, learner = self.rollout(), self.learner()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.batcher.run())
            group.create_task(self.publisher.run())
            lanes = [group.create_task(rollout.run(lane)) for lane in self.crew]
            for _ in range(updates):
                await learner.update()
                after()
            self.admission.close()
            await asyncio.wait(lanes)
            self.dispatcher.close()
            self.publisher.close()

    async def held(self) -> list[int]:
        """The slots that lanes and segments nobody took still hold, as often as they are held."""
        left: list[Segment] = []
        if len(self.streamer):
            parcels = await self.streamer.take(version=self.progress.version, room=10**9)
            left = [segment for parcel in parcels for segment in parcel.segments]
        rows = [slot for one in left for slot in (*one.slots, *one.bootstrap)]
        return [slot for slot in (*rows, *(lane.slot for lane in self.crew)) if slot >= 0]


@pytest.fixture(scope="session")
def worlds() -> type[World]:
    return World
