"""Simulators and generators: how long their calls take, and what they leave behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from rlvla.core.runtime.recycling import GIB
from rlvla.core.runtime.virtual.work import Stage, Work
from rlvla.core.types import Acted, Outcome

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from rlvla.core.runtime.virtual.memory import Memory
    from rlvla.core.runtime.virtual.resources import Claim
    from rlvla.core.runtime.virtual.world import World
    from rlvla.core.types import Request, Start
    from rlvla.core.workers import Beginning, Move


@dataclass(kw_only=True)
class Worker:
    """What the roles have in common."""

    role: str
    world: World
    claims: Sequence[Claim]
    dice: random.Random
    start_s: float
    pace: float = 1.0
    memory_bytes: int = 0

    def begin(self, method: str, values: Any, named: Any) -> Work:  # noqa: ANN401 - as they travel
        """Begin a call; see `Behaviour.begin`."""
        call: Callable[..., Work] = getattr(self, method)
        return call(*values, **named)

    def build(self, *recipe: object) -> Work:
        """Start."""
        del recipe
        return Work([Stage(self.start_s)], nothing)


@dataclass(kw_only=True)
class Shard(Worker):
    """A simulator worker; see `core.shard.Shard`."""

    memory: Memory
    role: str = "shard"
    _left: dict[int, int] = field(default_factory=dict[int, int])
    """Lane to the actions that its episode may still have."""

    def reset(self, lane: int, start: Start, into: int) -> Work:
        """Begin an episode."""
        seconds = self.world.latencies.reset.draw(self.dice, lane)
        return self._work(seconds, [into], partial(self._reset, lane, start, into))

    def reset_batch(self, beginnings: Sequence[Beginning]) -> Work:
        """Begin episodes in many lanes at once, in the time of one."""
        seconds = self.world.latencies.reset.draw(self.dice, beginnings[0][0])
        torn = [into for _, _, into in beginnings]
        return self._work(seconds, torn, partial(self._reset_batch, beginnings))

    def replay(self, lane: int, start: Start, slots: Sequence[int], into: int) -> Work:
        """Begin an episode and repeat the decisions in `slots`."""
        del start
        latencies = self.world.latencies
        steps = sum(latencies.step.draw(self.dice, lane) for _ in slots)
        seconds = latencies.reset.draw(self.dice, lane) + steps
        return self._work(seconds, [into], partial(self._replay, lane, slots, into))

    def step(self, lane: int, slot: int, into: int) -> Work:
        """Execute the decision in `slot`."""
        self.memory.execute(lane, slot)
        seconds = self.world.latencies.step.draw(self.dice, lane)
        return self._work(seconds, [into], partial(self._step, lane, slot, into))

    def demonstrate(self, lane: int, slot: int, into: int) -> Work:
        """Execute the expert's decision."""
        self.memory.execute(lane, slot, expert=True)
        seconds = self.world.latencies.step.draw(self.dice, lane)
        return self._work(seconds, [into], partial(self._step, lane, slot, into))

    def step_batch(self, moves: Sequence[Move]) -> Work:
        """Execute the decisions of many lanes at once."""
        for lane, slot, _ in moves:
            self.memory.execute(lane, slot)
        batch = self.world.latencies.batch
        if batch is not None:
            seconds = batch.seconds(len(moves))
        else:
            step = self.world.latencies.step
            seconds = sum(step.draw(self.dice, lane) for lane, _, _ in moves)
        torn = [into for _, _, into in moves]
        return self._work(seconds, torn, partial(self._step_batch, moves))

    def _leak(self) -> None:
        self.memory_bytes += round(self.world.faults.leak_gib * GIB)

    def _work(self, seconds: float, torn: Sequence[int], finish: Callable[[], Any]) -> Work:
        return Work([Stage(seconds)], finish, partial(self.memory.tear, torn))

    def _reset(self, lane: int, start: Start, into: int) -> None:
        self._leak()
        self._left[lane] = self.world.episodes.max_steps
        self.memory.begun(lane, into, start)

    def _replay(self, lane: int, slots: Sequence[int], into: int) -> None:
        self._leak()
        self._left[lane] = self.world.episodes.max_steps - self.world.episodes.chunk * len(slots)
        self.memory.repeat(lane, slots, into)

    def _reset_batch(self, beginnings: Sequence[Beginning]) -> None:
        for beginning in beginnings:
            self._reset(*beginning)

    def _step_batch(self, moves: Sequence[Move]) -> list[Outcome]:
        return [self._step(*move) for move in moves]

    def _step(self, lane: int, slot: int, into: int) -> Outcome:
        episodes = self.world.episodes
        steps = min(episodes.chunk, self._left[lane])
        self._left[lane] -= steps
        success = episodes.ending > 0 and self.dice.random() < episodes.ending
        outcome = Outcome(
            float(success), steps, success, not success and self._left[lane] == 0, success
        )
        self.memory.follow(lane, slot, into, ends=outcome.done)
        return outcome


@dataclass(kw_only=True)
class Generator(Worker):
    """A generator; see `core.generator.Generator`."""

    memory: Memory
    role: str = "generator"
    version: int = -1

    def act(self, requests: Sequence[Request], *, version: int, rows: int) -> Work:
        """Decide with the newest weights that there are when it begins."""
        made = self.memory.fetch(version, requests[0].version)
        if requests[0].version < 0 and made < self.version:
            self.memory.violated(f"version {made} came after {self.version}")
        self.version = made
        self.memory.look(requests)
        self.world.batches += 1
        self.world.requests += len(requests)
        passes = -(-len(requests) // rows)
        seconds = passes * self.world.latencies.generator.seconds(rows)
        work = Work([Stage(seconds)], nothing)
        work.finish = partial(self._act, requests, made, work)
        return work

    def _act(self, requests: Sequence[Request], version: int, work: Work) -> Acted:
        self.memory.decide(requests, version)
        return Acted(version, work.waited_s)


def nothing() -> None:
    """Answer that it is done."""
