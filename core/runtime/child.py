"""What a worker process runs: one worker object that answers its parent, call by call."""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import os
import resource
import signal
import socket
import threading
import time
import traceback
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from rlvla.core.component import construct
from rlvla.core.errors import LaneLostError, RlvlaError
from rlvla.core.memory import map_shared
from rlvla.core.runtime import build, wire
from rlvla.core.slots import Layout, Slots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rlvla.core.runtime.shard_job import ShardJob

PR_SET_PDEATHSIG = 1
COMPANY_S = 0.0005
"""Answers that come within so many seconds of the last ones wait for company."""


class Child:
    """A worker that is built by its first call."""

    def __init__(self, memory: build.Memory) -> None:
        self._memory = memory
        self._worker: Any = None

    def call(self, method: str, values: list[Any], named: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Return the result of a call; it may be a Future."""
        return self._method(method)(*values, **named)

    def close(self) -> None:
        """Let the worker release what it holds."""
        if hasattr(self._worker, "close"):
            self._worker.close()

    def _method(self, name: str) -> Callable[..., Any]:
        return self._build if name == "build" else getattr(self._worker, name)

    def _build(self, role: str, plain: Mapping[str, Any]) -> None:
        if role == "shard":
            self._build_shard(cast("ShardJob", construct(plain)))
            return
        job = build.job_from_plain(plain)
        slots = self._slots(build.layout_of(job), job.slots)
        device = job.placement.device(role, 0, visible=True)
        if role == "trainer":
            self._worker = build.build_trainer(job, slots, self._memory, device=device)
        else:
            self._worker = build.build_generator(job, slots, self._memory, device=device)

    def _build_shard(self, job: ShardJob) -> None:
        slots = self._slots(Layout(job.spec, job.decision), job.slots)
        self._worker = build.build_shard(job, slots, self._memory)

    def _slots(self, layout: Layout, count: int) -> Slots:
        return Slots(layout, count, map_shared(self._memory.slots))


class Answers:
    """Answers on their way to the parent; those that are quick to come travel together."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._ready: list[list[Any]] = []
        self._sent = 0.0
        self._turn = threading.Lock()  # a Future may be answered by a thread of the worker

    def give(self, number: int, function: Callable[[], Any]) -> None:
        """Answer a call with what `function` returns or raises, now or when it is known."""
        kind, result = _answer(function)
        if _is_later(result):
            result.add_done_callback(partial(self._give_at_once, number))
            return
        with self._turn:
            self._ready.append([number, kind, result])
            if time.monotonic() - self._sent > COMPANY_S:
                self._send()

    def flush(self) -> None:
        """Send what is ready."""
        with self._turn:
            self._send()

    def _give_at_once(self, number: int, done: Future[Any]) -> None:
        self.give(number, done.result)
        self.flush()

    def _send(self) -> None:
        ready, self._ready = self._ready, []
        self._sent = time.monotonic()
        if ready:
            wire.send(self._connection, ready)


def _is_later(result: object) -> TypeGuard[Future[Any]]:
    return isinstance(result, Future)


def _answer(function: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "ok", function()
    except LaneLostError as lost:
        traceback.print_exc()
        return lost.reason, lost.detail
    except RlvlaError as error:
        return type(error).__name__, str(error)
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises is the parent's to judge
        traceback.print_exc()
        return "error", f"{type(error).__name__}: {error}"


def main() -> None:
    """Answer the parent's calls until it hangs up."""
    parser = argparse.ArgumentParser()
    for name in ("parent", "connection", "slots", "weights", "turns"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--cores", default="")
    arguments = parser.parse_args()
    _die_with(arguments.parent)
    if arguments.cores:
        os.sched_setaffinity(0, {int(core) for core in arguments.cores.split(",")})
    connection = socket.socket(fileno=arguments.connection)
    child = Child(build.Memory(arguments.slots, arguments.weights, arguments.turns))
    with suppress(BrokenPipeError, ConnectionResetError):  # the parent ended in the middle
        _serve(connection, child)
    child.close()


def _serve(connection: socket.socket, child: Child) -> None:
    answers = Answers(connection)
    for calls in _messages(connection):
        for number, method, values, named in calls:
            answers.give(number, partial(child.call, method, values, named))
        answers.flush()


def _die_with(parent: int) -> None:
    """Make the kernel kill this process when the parent dies, whatever kills it."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.SIG_IGN)  # the parent decides
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()


def _messages(connection: socket.socket) -> Iterator[Any]:
    lines = wire.Lines()
    while data := connection.recv(1 << 18):
        yield from map(wire.decode, lines.feed(data))


if __name__ == "__main__":
    main()
