"""Segments and groups of them: what is rolled out, and reaches the trainer as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from statistics import fmean
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Segment:
    """Consecutive decisions of one lane on their way to the trainer.

    `bootstrap[i]` is the slot that holds the true next observation of decision `i`, given where
    the return goes on beyond what the segment holds: at a truncation, and at its last decision
    unless that terminated. Elsewhere it is -1.
    """

    lane: int
    slots: tuple[int, ...]
    bootstrap: tuple[int, ...]
    versions: tuple[int, ...]
    """Version of the weights that made each decision."""
    cell: int = 0
    """Whose lane and slots these are."""
    group: int = -1
    """Ordinal of the start of its episode, if it is a whole one that others are compared with."""

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def key(self) -> int:
        """Under what the streamer knows it while it grows."""
        return self.lane

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Return what reaches the trainer together: itself."""
        return (self,)


@dataclass(frozen=True)
class Group:
    """Whole episodes of one start, in the order of their numbers.

    They reach the trainer together or not at all; its length is counted in episodes, as its
    batches are.
    """

    key: int
    """Ordinal of the start."""
    segments: tuple[Segment, ...]

    def __len__(self) -> int:
        return len(self.segments)

    @property
    def versions(self) -> tuple[int, ...]:
        """Versions of the weights that made the decisions."""
        return tuple(made for segment in self.segments for made in segment.versions)


Parcel: TypeAlias = Segment | Group
"""What is handed to the trainer as a whole."""


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """How an algorithm compares episodes: whole ones, in groups of one start each."""

    size: int
    """Episodes of a group, at least 2."""
    low: float = -inf
    """A group whose mean return is below is dropped and another start takes its place."""
    high: float = inf
    """A group whose mean return is above is dropped and another start takes its place."""

    @property
    def selects(self) -> bool:
        """Whether any group may be dropped."""
        return (self.low, self.high) != (-inf, inf)

    def keeps(self, returns: Sequence[float]) -> bool:
        """Return whether a group with these returns is to be trained on."""
        return self.low <= fmean(returns) <= self.high
