"""What a worker process runs: one worker object that answers its parent, call by call."""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import os
import resource
import signal
import socket
import traceback
from typing import TYPE_CHECKING, Any

from rlvla.core.errors import LaneLostError, RlvlaError
from rlvla.core.memory import map_shared
from rlvla.core.runtime import build, wire
from rlvla.core.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PR_SET_PDEATHSIG = 1


class Child:
    """A worker that is built by its first call."""

    def __init__(self, slots: int, weights: int) -> None:
        self._slots = slots
        self._weights = weights
        self._worker: Any = None

    def call(self, method: str, values: list[Any], named: Mapping[str, Any]) -> list[Any]:
        """Return the answer to one call: its kind and its result or what went wrong."""
        try:
            return ["ok", self._method(method)(*values, **named)]
        except LaneLostError as lost:
            traceback.print_exc()
            return [lost.reason, lost.detail]
        except RlvlaError as error:
            return [type(error).__name__, str(error)]
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is the parent's to judge
            traceback.print_exc()
            return ["error", f"{type(error).__name__}: {error}"]

    def close(self) -> None:
        """Let the worker release what it holds."""
        if hasattr(self._worker, "close"):
            self._worker.close()

    def _method(self, name: str) -> Callable[..., Any]:
        return self._build if name == "build" else getattr(self._worker, name)

    def _build(self, role: str, number: int, plain: Mapping[str, Any]) -> None:
        job = build.job_from_plain(plain)
        slots = Slots(build.layout_of(job), job.slots, map_shared(self._slots))
        if role == "shard":
            self._worker = build.build_shard(job, number, slots)
        elif role == "trainer":
            self._worker = build.build_trainer(job, slots, self._weights)
        else:
            self._worker = build.build_generator(job, slots, self._weights)


def main() -> None:
    """Answer the parent's calls until it hangs up."""
    parser = argparse.ArgumentParser()
    for name in ("parent", "connection", "slots", "weights"):
        parser.add_argument(f"--{name}", type=int, required=True)
    arguments = parser.parse_args()
    _die_with(arguments.parent)
    connection = socket.socket(fileno=arguments.connection)
    child = Child(arguments.slots, arguments.weights)
    try:
        for number, method, values, named in _messages(connection):
            wire.send(connection, [number, *child.call(method, values, named)])
    except (BrokenPipeError, ConnectionResetError):
        pass  # the parent hung up in the middle of a call
    child.close()


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
    while data := connection.recv(1 << 16):
        yield from map(wire.decode, lines.feed(data))


if __name__ == "__main__":
    main()
