from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

from rlvla.core.memory import SharedMemory
from rlvla.core.runtime.turn import NO_TURN, Turn, turns_bytes

HOLDER = """
import sys
from rlvla.core.runtime.turn import Turn
with Turn(int(sys.argv[1]), 0) as waited:
    print(waited, flush=True)
    sys.stdin.readline()
"""


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
