"""How long lanes stay away between a decision and their next request, learned from those seen."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque

KEPT = 512
"""Absences that are remembered, the latest."""


class Returns:
    """The empirical distribution of the absences, in seconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def learn(self, seconds: float) -> None:
        """Take an absence into account, and forget the oldest one."""
        self._recent.append(seconds)
        insort(self._sorted, seconds)
        if len(self._recent) > KEPT:
            del self._sorted[bisect_right(self._sorted, self._recent.popleft()) - 1]

    def share(self, age: float, within: float) -> float:
        """Return the share of those that are away for `age` that return within so long.

        It is 0 if nobody ever stayed away as long: who does is not waited for.
        """
        gone = bisect_right(self._sorted, age)
        away = len(self._sorted) - gone
        return (bisect_right(self._sorted, age + within, gone) - gone) / away if away else 0.0
