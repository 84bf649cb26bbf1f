"""The time of a batch as a straight line over its size, learned while it is used."""

from __future__ import annotations

from dataclasses import dataclass

FORGET = 0.98
"""What a batch weighs after each later one: the last fifty count."""
OUTLIER = 3.0
"""A batch counts as at most this many times slower than expected."""


@dataclass
class LearnedCurve:
    """Least squares of `seconds = fixed + each * size` with exponential forgetting.

    It is the recursive estimate, in terms of the discounted moments. The slope is drawn to its
    previous value with the weight of one batch that is one request away from the mean: without
    that, forgetting would lose it while all batches are of one size. The first batch is left
    out, since it often compiles; a later one that is far slower than expected counts less.
    """

    fixed: float = 0.0
    """a, in seconds; never negative."""
    each: float = 0.0
    """c, in seconds; never negative."""
    batches: int = 0

    def __post_init__(self) -> None:
        self._weight = self._size = self._seconds = self._square = self._product = 0.0

    def __call__(self, size: float) -> float:
        """Return the expected seconds of a batch."""
        return self.fixed + self.each * size

    def learn(self, size: int, seconds: float) -> None:
        """Take a batch into account."""
        self.batches += 1
        if self.batches == 1:
            return
        if self._weight:
            seconds = min(seconds, OUTLIER * self(size))
        self._weight = FORGET * self._weight + 1
        self._size = FORGET * self._size + size
        self._seconds = FORGET * self._seconds + seconds
        self._square = FORGET * self._square + size * size
        self._product = FORGET * self._product + size * seconds
        self._fit()

    def _fit(self) -> None:
        size, seconds = self._size / self._weight, self._seconds / self._weight
        spread = max(self._square - self._weight * size * size, 0.0)
        together = self._product - self._weight * size * seconds
        slope = (together + self.each) / (spread + 1)
        self.each = min(max(slope, 0.0), seconds / size)
        self.fixed = seconds - self.each * size
