"""Who owns and who serves each lane: what a sharding scheduler decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Assignment:
    """Simulator worker, generator and group of each lane of a cell; the index is the lane.

    Workers, generators and groups are numbered from 0 without gaps. A group is what a batching
    rule may treat as one request: the lanes of one environment manager of RL-VLA³.
    """

    workers: tuple[int, ...]
    """Simulator worker that owns the lane."""
    generators: tuple[int, ...]
    """Generator that serves the lane."""
    groups: tuple[int, ...]
    """Group that the lane belongs to."""
    stealing: bool = False
    """A generator that has nothing to do takes requests that wait for another one."""

    def __post_init__(self) -> None:
        for name in ("workers", "generators", "groups"):
            numbers = getattr(self, name)
            if len(numbers) != len(self.workers):
                raise ValueError(f"{name} lists {len(numbers)} of {len(self.workers)} lanes")
            if {*numbers} != {*range(max(numbers, default=-1) + 1)}:
                raise ValueError(f"{name} must be numbered from 0 without gaps, got {numbers}")

    @cached_property
    def shards(self) -> list[list[int]]:
        """The lanes of each simulator worker."""
        return _inverted(self.workers)

    @cached_property
    def served(self) -> list[list[int]]:
        """The lanes of each generator."""
        return _inverted(self.generators)

    def extended(self, lanes: int, *, own_worker: bool) -> Assignment:
        """Return the assignment with `lanes` more, dealt out, or to a worker of their own."""
        extra = range(lanes)
        shards = len(self.shards)
        dealt = (shards for _ in extra) if own_worker else (one % shards for one in extra)
        return replace(
            self,
            workers=(*self.workers, *dealt),
            generators=(*self.generators, *(one % len(self.served) for one in extra)),
            groups=(*self.groups, *(one % (max(self.groups) + 1) for one in extra)),
        )


def _inverted(numbers: Sequence[int]) -> list[list[int]]:
    owned: list[list[int]] = [[] for _ in range(max(numbers) + 1)]
    for lane, number in enumerate(numbers):
        owned[number].append(lane)
    return owned
