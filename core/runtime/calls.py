"""Calls to one worker, from the asking to the answer or to the worker's end."""

from __future__ import annotations

import asyncio
import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from rlvla.core import errors
from rlvla.core.errors import LossReason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.runtime.link import Connect
    from rlvla.core.runtime.wire import Message

LOG = logging.getLogger(__name__)

LOSSES: Mapping[str, LossReason] = MappingProxyType({one: one for one in get_args(LossReason)})


class Within(NamedTuple):
    """How long a worker may take for something."""

    what: str
    """Which of its time-outs that is."""
    seconds: float

    def __str__(self) -> str:
        return f"its {self.what} time-out of {self.seconds:g} s"


class WorkerDiedError(Exception):
    """The worker ended, or was killed because it hung, before it answered."""

    def __init__(self, reason: LossReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: LossReason = reason


class AnswerError(Exception):
    """The worker answered that it could not; `kind` says why in one word."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class Calls:
    """One worker that is asked over a link; each call is answered once.

    A worker does one thing after the other, so its oldest call is the one that it is at: it is
    killed when that takes longer than it may, also if the answer was lost on the way.
    Everything happens in callbacks of the event loop: no thread and no task belongs to a worker.
    """

    def __init__(self, name: str, connect: Connect) -> None:
        self.name = name
        self.alive = True
        self.fate = ""
        """Once it has ended: `crash`, or which time-out it passed, as `step_timeout`."""
        self._built = False
        self._passed: Within | None = None
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[None] = self._loop.create_future()
        self._pending: dict[int, tuple[asyncio.Future[Any], Within]] = {}
        self._count = 0
        self._since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._link = connect(name, self)

    @property
    def memory(self) -> int:
        """Bytes that the worker has for itself alone; see `Link.memory`."""
        return self._link.memory()

    def call(
        self, method: str, *values: object, within: Within, **named: object
    ) -> asyncio.Future[Message]:
        """Return the worker's answer to be; it may take as long once it is its turn.

        It is an `AnswerError` if the worker says so, `WorkerDiedError` if it does not answer.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if not self.alive:
            future.set_exception(WorkerDiedError("crash", f"{self.name} has ended"))
            return future
        self._count += 1
        self._pending[self._count] = (future, within)
        if len(self._pending) == 1:
            self._attend(within)
        self._link.send(self._count, method, values, named)
        return future

    def answered(self, number: int, kind: str, result: Message) -> None:
        """Pass an answer on; see `Listener.answered`. A second answer to a call is ignored."""
        if number not in self._pending:
            return
        oldest = next(iter(self._pending)) == number
        future, _ = self._pending.pop(number)
        if oldest and self._pending:
            _, within = next(iter(self._pending.values()))
            self._attend(within)
        self._built |= kind == "ok"
        if future.done():
            return
        if kind == "ok":
            future.set_result(result)
        else:
            future.set_exception(AnswerError(kind, result))

    def ended(self, how: str) -> None:
        """Tell everybody who waits; see `Listener.ended`."""
        self.alive = False
        self.fate = "crash" if self._passed is None else f"{self._passed.what}_timeout"
        for timer in (self._timer, self._leaving):
            if timer is not None:
                timer.cancel()
        for future, _ in self._pending.values():
            if not future.done():
                future.set_exception(self._death(how))
        self._pending.clear()
        self._end.set_result(None)

    def leave(self, within: Within) -> None:
        """Ask nothing more, and let the worker end by itself, but kill it if it takes longer.

        One that has not been built yet holds nothing and is killed at once.
        """
        if self.alive and not self._built:
            self._link.kill()
        elif self.alive and self._leaving is None:
            self._link.hang_up()
            self._leaving = self._loop.call_later(within.seconds, self._overstay, within)

    async def close(self, within: Within) -> None:
        """Have the worker `leave`; it is gone when this returns."""
        self.leave(within)
        try:
            await asyncio.shield(self._end)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the worker now."""
        if self.alive:
            self._link.kill()

    def _overstay(self, within: Within) -> None:
        """Kill the worker that does not leave; nobody waits who could tell it."""
        LOG.warning("%s passed %s and was killed", self.name, within)
        self._passed = within
        self._link.kill()

    def _attend(self, within: Within) -> None:
        """Note that the oldest call is another one; a timer that fires too early does no harm."""
        self._since = self._loop.time()
        due = self._since + within.seconds
        if self._timer is not None and self._timer.when() > due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._watch)

    def _watch(self) -> None:
        """Kill the worker if its oldest call is overdue, else look again when it would be."""
        self._timer = None
        if not self._pending:
            return
        _, within = next(iter(self._pending.values()))
        due = self._since + within.seconds
        if self._loop.time() < due:
            self._timer = self._loop.call_at(due, self._watch)
        else:
            self._passed = within
            self._link.kill()

    def _death(self, how: str) -> WorkerDiedError:
        if self._passed is not None:
            return WorkerDiedError("hang", f"{self.name} passed {self._passed}")
        return WorkerDiedError("crash", f"{self.name} ended with {how}")


def as_error(error: AnswerError) -> errors.RlvlaError:
    """Return the error that the worker raised, as the command line understands it."""
    known: type[errors.RlvlaError] = getattr(errors, error.kind, errors.PluginError)
    return known(str(error))


def as_loss(lane: int, error: AnswerError) -> Exception:
    """Return what an answer about a lane means: a lost episode, or more than that."""
    if error.kind in LOSSES:
        return errors.LaneLostError(lane, LOSSES[error.kind], str(error))
    return as_error(error)
