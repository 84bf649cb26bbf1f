"""The order of the deterministic mode: what is trained on when, whatever comes first.

Segment number `k` of lane `l` (of `lanes` that train) has index `k * lanes + l`; `segments` of
them in a row are a batch. Nobody's pace is in these numbers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Order:
    """Of one phase, whose batches are counted from its begin.

    It is cut into eras: at a checkpoint every lane gives up its episode and begins anew, so that
    a run that goes on from there does what one does that was never stopped.
    """

    lanes: int
    """That train."""
    segments: int
    """Of a batch."""
    together: int = 1
    """Segments in a row that are the episodes of a group."""
    max_staleness: int
    """Versions between a batch and the weights that decide in it, inside an era."""
    every: int
    """Batches of an era."""
    begun: int = 0
    """The first batch that is not trained on yet."""
    base: int = 0
    """Version of the weights before batch 0."""

    def batch(self, index: int) -> int:
        """Return the batch that a segment belongs to."""
        return index // self.segments

    def era(self, index: int) -> int:
        """Return the version of the weights with which the era of a segment began."""
        return self.base + self._era(self.batch(index))

    def version(self, index: int) -> int:
        """Return the version of the weights that makes every decision of a segment."""
        batch = self.batch(index)
        return self.base + max(batch - self.max_staleness, self._era(batch))

    @property
    def first(self) -> int:
        """Index of the first segment that is not trained on yet."""
        return self.begun * self.segments

    def first_of(self, lane: int) -> int:
        """Return the first of them that is `lane`'s."""
        return self.first + (lane - self.first) % self.lanes

    def _era(self, batch: int) -> int:
        return max(batch // self.every * self.every, self.begun)
