"""What a run on processes must leave as it found it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator


def children() -> set[int]:
    """Return the processes that this one started and has not reaped, dead or alive."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


def shared_memory() -> list[str]:
    """Return what is shared by name, but for semaphores: tests beside this one make these, too."""
    return [name for name in os.listdir("/dev/shm") if not name.startswith("sem.")]


@pytest.fixture(autouse=True)
def tidy() -> Generator[None]:
    """Hold every test to leaving no process and no shared memory behind."""
    before = (children(), shared_memory())
    yield
    assert (children(), shared_memory()) == before
