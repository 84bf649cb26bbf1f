"""What may happen to a run from outside: killed simulators, and signals."""

from __future__ import annotations

import os
import random
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rlvla.core import history
from toys.processes import simulators_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path


@contextmanager
def killing_simulators(run_dir: Path, seed: int) -> Generator[list[int]]:
    """Send SIGKILL to simulator workers at random, from the first update seen to the end.

    What it yields lists the updates made before each kill: at most two of the same number, as a
    run gives up that loses episode after episode, which on a busy machine it would.
    """
    dice, killed = random.Random(seed), list[int]()

    def kill(ended: threading.Event) -> None:
        before, started = updates_of(run_dir), False
        while not ended.wait(dice.uniform(0.2, 0.6)):
            made = updates_of(run_dir)
            started |= made > before  # a run that resumes cuts its rows off first
            before = made
            found = simulators_of(run_dir / "workers")
            if started and found and killed.count(made) < 2:
                with suppress(ProcessLookupError):
                    os.kill(dice.choice(found), signal.SIGKILL)
                    killed.append(made)

    with _beside(kill):
        yield killed


@contextmanager
def signalling(
    pid: int, run_dir: Path, *, step: int, number: int = signal.SIGINT
) -> Generator[None]:
    """Send a signal to a process once the run has made so many updates."""

    def watch(ended: threading.Event) -> None:
        while updates_of(run_dir) < step:
            if ended.wait(0.002):
                return
        os.kill(pid, number)

    with _beside(watch):
        yield


def updates_of(run_dir: Path) -> int:
    """Return how many updates are logged."""
    path = run_dir / history.HISTORY
    return path.read_bytes().count(b"\n") if path.exists() else 0


@contextmanager
def _beside(task: Callable[[threading.Event], None]) -> Generator[None]:
    """Run a task in a thread, and tell it when to end."""
    ended = threading.Event()
    thread = threading.Thread(target=task, args=(ended,))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
