"""A worker process and the socket to it."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvla.core.placement import Resources
from rlvla.core.runtime import wire
from rlvla.core.runtime.interpreter import own_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlvla.core.runtime.interpreter import Interpreter
    from rlvla.core.runtime.link import Listener

RESIDENT, SHARED = 1, 2
"""Columns of /proc/PID/statm, in pages."""


@dataclass(frozen=True)
class Launch:
    """How worker processes are started."""

    slots: int
    """Descriptor of the shared rows."""
    weights: int
    """Descriptor of the shared weights."""
    turns: int
    """Descriptor of the file whose locks are turns."""
    logs: Path
    """Where each worker's standard output and error go."""
    number: int = 0
    """Of the worker in its group: which of the group's devices it has."""
    resources: Resources = field(default_factory=Resources)
    interpreter: Interpreter | None = None
    """Of another environment; None: that of this process."""

    def __post_init__(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)

    def connect(self, name: str, listener: Listener) -> ProcessLink:
        """Start a worker process; see `link.Connect`."""
        return ProcessLink(name, listener, self)


class ProcessLink:
    """A child process; what is said in one turn of the event loop travels as one line."""

    def __init__(self, name: str, listener: Listener, launch: Launch) -> None:
        self._listener = listener
        self._alive = True
        self._said: list[Any] = []
        self._lines = wire.Lines()
        self._loop = asyncio.get_running_loop()
        self._connection, theirs = socket.socketpair()
        self._log = launch.logs / f"{name}.log"
        with theirs, self._log.open("ab") as log:
            self._process = _spawn(theirs, launch, log.fileno())
        self._loop.add_reader(self._connection, self._receive)

    def send(self, number: int, method: str, values: wire.Message, named: wire.Message) -> None:
        """Ask the process; see `Link.send`."""
        if not self._said:
            self._loop.call_soon(self._flush)
        self._said.append((number, method, values, named))

    def memory(self) -> int:
        """Return what the process has for itself alone; see `Link.memory`.

        Without what it shares with others, which are the rows and what is mapped from files.
        """
        if not self._alive:
            return 0
        pages = Path(f"/proc/{self._process.pid}/statm").read_text("ascii").split()
        return (int(pages[RESIDENT]) - int(pages[SHARED])) * resource.getpagesize()

    def hang_up(self) -> None:
        """Close the way to the process; see `Link.hang_up`."""
        if self._alive:
            self._flush()
            self._connection.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """Kill and reap the process; see `Link.kill`."""
        if not self._alive:
            return
        self._alive = False
        self._loop.remove_reader(self._connection)
        self._connection.close()
        self._process.kill()
        code = self._process.wait()
        self._listener.ended(f"exit code {code}; its last words are in {self._log}")

    def _flush(self) -> None:
        said, self._said = self._said, []
        if said and self._alive:
            with suppress(BrokenPipeError, ConnectionResetError):  # its end will be read soon
                wire.send(self._connection, said)

    def _receive(self) -> None:
        try:
            data = self._connection.recv(1 << 18, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self.kill()
        for line in self._lines.feed(data):
            for answer in wire.decode(line):
                self._listener.answered(*answer)


def _spawn(theirs: socket.socket, launch: Launch, log: int) -> subprocess.Popen[bytes]:
    shared = {
        "connection": theirs.fileno(),
        "slots": launch.slots,
        "weights": launch.weights,
        "turns": launch.turns,
    }
    arguments = [f"--{name}={fd}" for name, fd in {"parent": os.getpid(), **shared}.items()]
    cores = ",".join(map(str, launch.resources.cores))
    command = launch.interpreter.command if launch.interpreter else own_command
    return subprocess.Popen(
        command("rlvla.core.runtime.child", *arguments, f"--cores={cores}"),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=list(shared.values()),
        env=environment(os.environ) | _devices(launch),
        start_new_session=True,
    )


def environment(parent: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of a worker, which are set before it imports anything.

    One thread a process: workers share the cores, and their barriers would stall each other.
    PyOpenGL renders by the same platform as MuJoCo, where that is told.
    """
    platform = {"PYOPENGL_PLATFORM": parent["MUJOCO_GL"]} if "MUJOCO_GL" in parent else {}
    own = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "LP_NUM_THREADS": "0"}
    return {**platform, **parent, **own}


def _devices(launch: Launch) -> dict[str, str]:
    gpus = launch.resources.gpus
    return {"CUDA_VISIBLE_DEVICES": str(gpus[launch.number % len(gpus)])} if gpus else {}
