from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.memory import SharedMemory
from rlvla.core.runtime.turn import NO_TURN, Turn, seconds_used, turns_bytes, used

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event


HOLDER = """
import sys
from rlvla.core.runtime.turn import Turn
with Turn(int(sys.argv[1]), 0) as waited:
    print(waited, flush=True)
    sys.stdin.readline()
"""


def hold(fd: int, number: int, times: int, ready: Event) -> None:
    turn = Turn(fd, number)
    ready.wait()
    for _ in range(times):
        with turn:
            began = time.monotonic()
            while time.monotonic() - began < 0.01:
                pass


def together(fd: int, *jobs: tuple[int, int]) -> float:
    """Let a process hold each (resource, times); return the seconds that all took."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    crew = [context.Process(target=hold, args=(fd, *job, ready)) for job in jobs]
    for one in crew:
        one.start()
    began = time.monotonic()
    ready.set()
    for one in crew:
        one.join()
        assert one.exitcode == 0
    return time.monotonic() - began


def test_a_resource_is_used_by_one_at_a_time_and_its_use_is_counted() -> None:
    with closing(SharedMemory(turns_bytes(2), "turns")) as memory:
        took = together(memory.fd, (1, 10), (1, 10), (0, 5))
        seconds = used(["cpu", "gpu"], seconds_used(memory.map()))
    assert took >= 0.2, "two processes that used it at once would need half of that"
    np.testing.assert_array_less(0.2, seconds["gpu"])
    assert seconds["gpu"] <= took
    assert 0.05 <= seconds["cpu"] <= took


def test_who_dies_while_it_is_his_turn_holds_nobody_up() -> None:
    with closing(SharedMemory(turns_bytes(1), "turns")) as memory:
        context = multiprocessing.get_context("fork")
        ready = context.Event()
        ready.set()
        victim = context.Process(target=hold, args=(memory.fd, 0, 1_000_000, ready))
        victim.start()
        while seconds_used(memory.map())[0] < 0.02:
            time.sleep(0.001)
        victim.kill()
        victim.join()
        with Turn(memory.fd, 0):
            pass


def _somebody_is_blocked() -> bool:
    """Return whether a thread of this process waits for a lock."""
    locks = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and f" {os.getpid()} " in line for line in locks)


def test_a_turn_tells_how_long_it_was_waited_for_and_exactly_zero_if_it_was_free() -> None:
    with (
        closing(SharedMemory(turns_bytes(1), "turns")) as memory,
        subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(memory.fd)],
            pass_fds=[memory.fd],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as holder,
    ):
        assert holder.stdout is not None
        assert float(holder.stdout.readline()) == 0
        turn, waits = Turn(memory.fd, 0), list[float]()

        def enter() -> None:
            with turn as waited:
                waits.append(waited)

        waiter = threading.Thread(target=enter)
        waiter.start()
        while not _somebody_is_blocked():
            assert waiter.is_alive()
        holder.communicate("\n")
        waiter.join()
        enter()
    assert waits[0] > 0
    assert waits[1] == 0


def test_who_shares_nothing_never_waits() -> None:
    with NO_TURN as waited:
        assert waited == 0
