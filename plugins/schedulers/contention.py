"""How much a device that others use as well leaves to the generator, learned from its batches."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT = 32
"""Batches that are remembered, the latest."""


class Served(NamedTuple):
    """A batch that came back."""

    size: int
    seconds: float
    """From its departure until it was decided."""
    waited: float
    """The part of them for which others had the device; exactly 0 if nobody had."""
    ended: float
    """When it was decided."""
    lanes: int
    """How many took part in the run then, whether away, waiting or in the batch."""
    absences: Sequence[float]
    """For how long its lanes had been away before it, as far as that is known."""


class Contention:
    """Where the lanes and the shared device are the bottleneck at once; see `adaptive`."""

    def __init__(self) -> None:
        self._batches: deque[Served] = deque(maxlen=KEPT)

    def learn(self, batch: Served) -> None:
        """Take a batch into account, and forget the oldest one."""
        self._batches.append(batch)

    def balance(self, fixed: float, each: float, most: int) -> int:
        """Return the largest batch up to `most` at which the device limits the rate, at least 1.

        A batch of `n` has the device for `fixed + each * n` seconds. The result is 1 if nobody
        else used it.
        """
        batches = [*self._batches][1:]
        absences = [seconds for one in batches for seconds in one.absences]
        if not absences or not any(one.waited for one in batches):
            return 1
        decisions = sum(one.size for one in batches)
        per_decision = self._used() / decisions - fixed * len(batches) / decisions
        absent = sum(absences) / len(absences)
        queueing = sum(one.waited for one in batches) / len(batches)
        lanes = max(one.lanes for one in batches)
        for size in range(2, most + 1):
            around = absent + queueing + fixed + each * size
            if (per_decision + fixed / size) * (lanes - (size - 1) / 2) < around:
                return size - 1
        return most

    def _used(self) -> float:
        """Return for how long anybody used the device, from the end of the first batch on.

        Between batches nobody sees it. But batches depart then, and find it free or not.
        """
        first, *batches = self._batches
        elapsed = batches[-1].ended - first.ended
        serving = min(sum(one.seconds for one in batches), elapsed)
        free = sum(one.waited == 0 for one in batches) / len(batches)
        return elapsed - (elapsed - serving) * free
