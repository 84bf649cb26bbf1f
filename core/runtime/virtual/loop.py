"""An event loop whose time leaps: what takes hours is over at once and repeats exactly."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor
    from contextvars import Context

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

GLANCE = 4096
"""Turns of the loop between two looks at the only real descriptor, which signals wake."""

TICK = 1e-9
"""Seconds that pass at least until a timer fires: who waits for a difference of times that rounds
to nothing must not wake at the same time again."""


class DeadlockError(Exception):
    """Everybody waits and no timer is set."""


class LeapingSelector(selectors.SelectSelector):
    """Waits in virtual time; now and then it looks whether a signal came."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.failure: BaseException | None = None
        self.watch: Callable[[], None] | None = None
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Leap `timeout` seconds; None stands for ever."""
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        if self.watch is not None:
            self.watch()
        self._turns += 1
        if timeout is None:
            if woken := super().select(0):
                return woken
            raise DeadlockError("everybody waits and no timer is set")
        if timeout > 0:
            self.now += timeout
        return super().select(0) if self._turns % GLANCE == 0 else []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Leaps to its next timer when nothing is ready.

    Nothing runs beside it: what is given to a thread is done at once, in no time. What a
    callback raises ends the run instead of being logged.
    """

    def __init__(self) -> None:
        self._leaping = LeapingSelector()
        super().__init__(self._leaping)

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._leaping.now

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Set a timer; it never fires in the instant in which it is set."""
        when = max(when, self._leaping.now + TICK)
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[..., T], *args: object
    ) -> asyncio.Future[T]:
        """Return what `func` returns; it has run already."""
        del executor
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whoever awaits it judges, as with a thread
            done.set_exception(error)
        return done

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Let what a callback raised end the run."""
        if "handle" in context:
            self._leaping.failure = cast("BaseException", context["exception"])
        else:
            super().call_exception_handler(context)

    def watch(self, look: Callable[[], None] | None) -> None:
        """Call `look` after every turn, between two events; what it raises ends the run."""
        self._leaping.watch = look


def run_virtually(
    main: Coroutine[object, object, T], *, watch: Callable[[], None] | None = None
) -> T:
    """Run `main` in virtual time; raise `DeadlockError` where a real loop would hang.

    `watch` looks on; see `VirtualLoop.watch`.
    """
    loop = VirtualLoop()
    loop.watch(watch)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            return runner.run(main)
        finally:
            loop.watch(None)
