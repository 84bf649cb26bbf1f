"""A worker process as its parent sees it: calls go out, answers or its end come back."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

from rlvla.core import errors
from rlvla.core.clock import now
from rlvla.core.errors import LossReason
from rlvla.core.runtime import wire

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


LOSSES: Mapping[str, LossReason] = MappingProxyType({one: one for one in get_args(LossReason)})


class WorkerDiedError(Exception):
    """The process ended, or was killed because it hung, before it answered."""

    def __init__(self, reason: LossReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: LossReason = reason


class AnswerError(Exception):
    """The worker answered that it could not; `kind` says why in one word."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


@dataclass(frozen=True)
class Launch:
    """How worker processes are started."""

    slots: int
    """Descriptor of the shared rows."""
    weights: int
    """Descriptor of the shared weights."""
    logs: Path
    """Where each worker's standard output and error go."""

    def __post_init__(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)


class WorkerProcess:
    """One child process; its calls are answered in the order in which they were made.

    It is killed when its oldest call has made no progress for that call's time-out. Everything
    happens in callbacks of the event loop: no thread and no task belongs to a process.
    """

    def __init__(self, name: str, launch: Launch) -> None:
        self.name = name
        self.alive = True
        self._built = False
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending: dict[int, tuple[asyncio.Future[Any], float]] = {}
        self._calls = 0
        self._progress = now()
        self._hung = False
        self._lines = wire.Lines()
        self._timer: asyncio.TimerHandle | None = None
        self._connection, theirs = socket.socketpair()
        self._log = launch.logs / f"{name}.log"
        with theirs, self._log.open("ab") as log:
            self._process = _spawn(theirs, launch, log.fileno())
        asyncio.get_running_loop().add_reader(self._connection, self._receive)

    async def call(
        self, method: str, *values: object, within: float, **named: object
    ) -> wire.Message:
        """Return the worker's answer, waiting at most `within` seconds once it is its turn.

        Raise `AnswerError` if it answers with an error, `WorkerDiedError` if it does not answer.
        """
        if not self.alive:
            raise WorkerDiedError("crash", f"{self.name} has ended")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls += 1
        self._pending[self._calls] = (future, within)
        if len(self._pending) == 1:
            self._progress = now()
            self._watch()
        with suppress(BrokenPipeError, ConnectionResetError):  # its end will be read in a moment
            wire.send(self._connection, [self._calls, method, values, named])
        return await future

    def kill(self) -> None:
        """End the process now."""
        self._process.kill()

    async def close(self, grace: float) -> None:
        """Hang up, let the process end by itself for `grace` seconds, then kill it.

        One that has not been built yet holds nothing and is killed at once.
        """
        if self.alive and self._built:
            self._connection.shutdown(socket.SHUT_WR)
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await asyncio.shield(self._ended)
        self._end()

    def _receive(self) -> None:
        try:
            data = self._connection.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._end()
        for line in self._lines.feed(data):
            self._progress = now()
            self._answer(*wire.decode(line))
            self._watch()

    def _answer(self, number: int, kind: str, result: wire.Message) -> None:
        future, _ = self._pending.pop(number)
        self._built |= kind == "ok"
        if future.done():
            return
        if kind == "ok":
            future.set_result(result)
        else:
            future.set_exception(AnswerError(kind, result))

    def _watch(self) -> None:
        """Look again when the call that is now the oldest should have been answered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pending:
            _, within = next(iter(self._pending.values()))
            due = self._progress + within
            self._timer = asyncio.get_running_loop().call_at(due, self._give_up)

    def _give_up(self) -> None:
        self._hung = True
        self.kill()

    def _end(self) -> None:
        """Reap the process and tell everybody who waits. Idempotent."""
        if not self.alive:
            return
        self.alive = False
        asyncio.get_running_loop().remove_reader(self._connection)
        self._connection.close()
        if self._timer is not None:
            self._timer.cancel()
        self._process.kill()
        code = self._process.wait()
        for future, within in self._pending.values():
            if not future.done():
                future.set_exception(self._death(code, within))
        self._pending.clear()
        self._ended.set_result(None)

    def _death(self, code: int, within: float) -> WorkerDiedError:
        if self._hung:
            return WorkerDiedError("hang", f"{self.name} did not answer within {within:g} s")
        return WorkerDiedError(
            "crash", f"{self.name} ended with exit code {code}; its last words are in {self._log}"
        )


def _spawn(theirs: socket.socket, launch: Launch, log: int) -> subprocess.Popen[bytes]:
    shared = {"connection": theirs.fileno(), "slots": launch.slots, "weights": launch.weights}
    arguments = [f"--{name}={fd}" for name, fd in {"parent": os.getpid(), **shared}.items()]
    return subprocess.Popen(
        [sys.executable, "-m", "rlvla.core.runtime.child", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=list(shared.values()),
        env=_environment(os.environ),
        start_new_session=True,
    )


def _environment(parent: Mapping[str, str]) -> dict[str, str]:
    """One thread a process: workers share the cores, and their barriers would stall each other."""
    return {**parent, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "LP_NUM_THREADS": "0"}


def as_error(error: AnswerError) -> errors.RlvlaError:
    """Return the error that the worker raised, as the command line understands it."""
    known: type[errors.RlvlaError] = getattr(errors, error.kind, errors.PluginError)
    return known(str(error))


def as_loss(lane: int, error: AnswerError) -> Exception:
    """Return what an answer about a lane means: a lost episode, or more than that."""
    if error.kind in LOSSES:
        return errors.LaneLostError(lane, LOSSES[error.kind], str(error))
    return as_error(error)
