"""The worker processes of runs, as the machine lists them."""

from __future__ import annotations

import os
import time
from pathlib import Path

CHILD = b"rlvla.core.runtime.child"


def workers_of(parent: int | None = None) -> list[int]:
    """Return the living worker processes of `parent` (this process)."""
    mark = b"--parent=%d" % (parent or os.getpid())
    return [pid for pid, words in _commands() if CHILD in words and mark in words]


def simulators_of(logs: Path) -> list[int]:
    """Return the living simulator workers that write their words into `logs`."""
    found: list[int] = []
    for pid, words in _commands():
        if CHILD not in words:
            continue
        try:
            log = Path(os.readlink(f"/proc/{pid}/fd/1"))
        except OSError:  # it ended meanwhile
            continue
        if log.parent == logs and log.name.startswith("simulator"):
            found.append(pid)
    return found


def gone_within(seconds: float, parent: int) -> bool:
    """Wait for the end of all workers of `parent`."""
    deadline = time.monotonic() + seconds
    while workers_of(parent):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def listening(pid: int) -> list[str]:
    """Return the listening sockets of a process."""
    inodes: set[str] = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(os.readlink(entry))
        except OSError:
            continue
    found: list[str] = []
    for table, state, listens in (("tcp", 3, "0A"), ("tcp6", 3, "0A"), ("unix", 5, "01")):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            inode = words[9] if table != "unix" else words[6]
            accepts = words[3] == "00010000" if table == "unix" else words[state] == listens
            if accepts and f"socket:[{inode}]" in inodes:
                found.append(line)
    return found


def _commands() -> list[tuple[int, list[bytes]]]:
    commands: list[tuple[int, list[bytes]]] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            commands.append((int(entry.name), words))
    return commands
