"""Time that passes: what stands for work that this machine could not do as fast, or at all."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def lasting(seconds: float, *, burn: bool) -> Generator[None]:
    """Make what is done inside last `seconds` in all, unless it lasts longer or fails.

    The rest of the time is slept, or with `burn` computed away: then `seconds` are those of a
    core, and longer where others want it too.
    """
    clock = time.thread_time if burn else time.perf_counter
    end = clock() + seconds
    yield
    while (rest := end - clock()) > 0:
        if not burn:
            time.sleep(rest)
