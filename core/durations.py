"""How long something took, many times over, in little memory."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

GRAIN = math.log(1.04)
SHORTEST = 1e-6


class Durations:
    """Counts by size: mean and maximum are exact, quantiles to within 2 %."""

    def __init__(self, seconds: Iterable[float] = (), *, parts: Iterable[Durations] = ()) -> None:
        self.count = 0
        self.seconds = 0.0
        """All together."""
        self.longest = 0.0
        self._sizes = Counter[int]()
        for part in parts:
            self.count += part.count
            self.seconds += part.seconds
            self.longest = max(self.longest, part.longest)
            self._sizes.update(part._sizes)
        for one in seconds:
            self._add(one)

    @property
    def mean(self) -> float:
        """In seconds; 0 of none."""
        return self.seconds / max(self.count, 1)

    def quantile(self, share: float) -> float:
        """Return the seconds that this share of them took at most; 0 of none."""
        below = 0
        for size, count in sorted(self._sizes.items()):
            below += count
            if below >= share * self.count:
                return min(math.exp(size * GRAIN), self.longest)
        return 0.0

    def _add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
        self.longest = max(self.longest, seconds)
        self._sizes[round(math.log(max(seconds, SHORTEST)) / GRAIN)] += 1
