"""Processor time of this process and its workers, from Linux's /proc."""

from __future__ import annotations

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
USER, SYSTEM = 11, 12
"""Places of the times in `/proc/PID/stat`, after the name of the command."""


def cpu_seconds() -> float:
    """Return the processor time that this process and its living children have used so far."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    children = {pid for task in tasks for pid in (task / "children").read_text().split()}
    return sum(map(_used, [str(os.getpid()), *children]))


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _used(pid: str) -> float:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[USER]) + int(fields[SYSTEM])) / TICK
