"""The way to a worker that is not there: calls take as long as they would, or go wrong."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from rlvla.core.runtime.virtual.death import Death
from rlvla.core.runtime.virtual.work import Rank, Stage, Work

if TYPE_CHECKING:
    import asyncio
    import random

    from rlvla.core.runtime.link import Listener
    from rlvla.core.runtime.virtual.resources import Rendezvous
    from rlvla.core.runtime.virtual.work import Behaviour
    from rlvla.core.runtime.virtual.world import World
    from rlvla.core.runtime.wire import Message

FOREVER = float("inf")


class Call(NamedTuple):
    """A call on its way."""

    number: int
    method: str
    values: Message
    named: Message
    fate: str


class VirtualLink:
    """A worker with a queue of calls: one at a time, in order; see `link.Link`."""

    def __init__(
        self, name: str, listener: Listener, world: World, worker: Behaviour, dice: random.Random
    ) -> None:
        self.name = name
        self.role = worker.role
        self._listener = listener
        self._world = world
        self._worker = worker
        self._dice = dice
        self._loop = world.units.loop
        self._alive = True
        self._leaving = False
        self._excused = False
        self._queue: deque[Call] = deque()
        self._call: Call | None = None
        self._since = 0.0
        self._waited = 0.0
        self._work: Work | None = None
        self._stage = 0
        self._missing = 0
        self._timer: asyncio.TimerHandle | None = None
        self.ranks = [Rank(world.units, claim, self._arrived) for claim in worker.claims]
        world.joined(self, worker.role)

    @property
    def busy(self) -> float:
        """Seconds of finished work of all ranks."""
        return sum(rank.busy for rank in self.ranks)

    @property
    def waiting(self) -> int:
        """Calls that the worker has not begun."""
        return len(self._queue)

    def send(self, number: int, method: str, values: Message, named: Message) -> None:
        """Ask the worker, unless the call gets lost; see `Link.send`."""
        if not self._alive:
            return
        fate = self._world.fate(self.role, method, self._dice)
        if fate == "lost":
            self._excused = True
            return
        self._queue.append(Call(number, method, values, named, fate))
        self._next()

    def meet(self, meeting: Rendezvous) -> None:
        """Have the worker take part in a meeting when it has done what it was asked before."""
        self._queue.append(Call(0, "meet", meeting, {}, ""))
        self._next()

    def memory(self) -> int:
        """See `Link.memory`."""
        return self._worker.memory_bytes if self._alive else 0

    def hang_up(self) -> None:
        """See `Link.hang_up`."""
        self._leaving = True
        if self._call is None:
            self._loop.call_soon(self._end, "exit code 0")

    def kill(self) -> None:
        """See `Link.kill`."""
        self._end("killed")

    def _next(self) -> None:
        if self._call is not None or not self._queue:
            return
        self._call = call = self._queue.popleft()
        self._since = self._loop.time()
        self._waited = sum(rank.waited for rank in self.ranks)
        if call.method == "meet":
            self._work = Work([Stage(meeting=call.values)], _nothing)
        else:
            self._work = self._worker.begin(call.method, call.values, call.named)
        self._stage = -1
        self._misfortune(call.fate)
        self._advance()

    def _misfortune(self, fate: str) -> None:
        """Note what a fate means for the worker from the beginning of its call."""
        self._excused |= fate in ("hang", "slow", "unanswered", "late")
        if fate == "crash":
            work = self._work
            assert work is not None
            whole = sum(stage.seconds * stage.times for stage in work.stages) * self._worker.pace
            self._timer = self._loop.call_later(whole * self._dice.random(), self._end, "crash")

    def _advance(self) -> None:
        """Enter the next stage of the present call, or finish it."""
        assert self._work is not None
        assert self._call is not None
        self._stage += 1
        if self._stage == len(self._work.stages):
            self._finish(self._call, self._work)
            return
        stage = self._work.stages[self._stage]
        if stage.meeting is not None:
            stage.meeting.arrive(self._resume)
        elif stage.until:
            self._loop.call_at(max(stage.until, self._loop.time()), self._resume)
        else:
            self._missing = len(self.ranks)
            seconds = stage.seconds * self._factor(self._call.fate)
            for rank in self.ranks:
                rank.work(seconds, stage.times)

    def _factor(self, fate: str) -> float:
        if fate == "hang":
            return FOREVER
        slow = self._world.faults.slow_factor if fate == "slow" else 1.0
        return slow * self._worker.pace

    def _arrived(self) -> None:
        """Note that a rank is through its stage."""
        self._missing -= 1
        if self._missing == 0:
            self._advance()

    def _resume(self) -> None:
        if self._alive:
            self._advance()

    def _finish(self, call: Call, work: Work) -> None:
        self._call = self._work = None
        work.waited_s = sum(rank.waited for rank in self.ranks) - self._waited
        if work.beside is not None:
            self._loop.call_later(work.beside, self._settle, call, work)
        elif call.method != "meet":
            self._settle(call, work)
        self._next()
        if self._leaving and self._call is None:
            self._end("exit code 0")

    def _settle(self, call: Call, work: Work) -> None:
        """Write what the call writes and send the answer on its way."""
        if not self._alive:
            return
        if call.fate == "error":
            if work.tear is not None:
                work.tear()
            self._answer(call.number, "env_error", "the simulator raised")
            return
        result = work.finish()
        match call.fate:
            case "unanswered":
                pass
            case "late":
                late = self._dice.random() * self._world.faults.late_s
                self._loop.call_later(late, self._answer, call.number, "ok", result)
            case "duplicated":
                self._answer(call.number, "ok", result)
                self._loop.call_soon(self._answer, call.number, "ok", result)
            case _:
                self._answer(call.number, "ok", result)

    def _answer(self, number: int, kind: str, result: Message) -> None:
        if self._alive:
            self._listener.answered(number, kind, result)

    def _end(self, how: str) -> None:
        if not self._alive:
            return
        self._alive = False
        if self._timer is not None:
            self._timer.cancel()
        for rank in self.ranks:
            rank.stop()
        if self._work is not None and self._work.tear is not None:
            self._work.tear()
        self._leave_meetings()
        self._world.left(self, self.role, self._death(how))
        self._listener.ended(how)

    def _death(self, how: str) -> Death:
        time, excused = self._loop.time(), self._excused or self._leaving
        doing = "" if self._call is None else self._call.method
        return Death(time, self.name, how, excused, doing, time - self._since)

    def _leave_meetings(self) -> None:
        for call in self._queue:
            if call.method == "meet":
                call.values.arrive(None)


def _nothing() -> None:
    """Finish a meeting."""
