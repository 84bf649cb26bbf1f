"""Local sharding: the lanes of a shard are served by as few generators as can be."""

from __future__ import annotations

from dataclasses import dataclass

from rlvla.core.assignment import Assignment
from rlvla.plugins.schedulers.blocks import blocks, check_parts


@dataclass(frozen=True, kw_only=True)
class Locality:
    """Give each shard whole to one generator, and each generator neighbouring shards.

    With more generators than shards, each shard has several for itself. A shard is a group.
    """

    shards: int = 2
    """Simulator workers; at most one per lane."""
    generators: int = 2
    """Generators; at most one per lane."""

    def __post_init__(self) -> None:
        for name in ("shards", "generators"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def assign(self, lanes: int, *, batched: bool = False) -> Assignment:
        """Return the assignment; raise ValueError if a shard or generator would have no lane."""
        del batched
        check_parts("shards", self.shards, lanes)
        check_parts("generators", self.generators, lanes)
        workers = blocks(lanes, self.shards)
        if self.generators <= self.shards:
            nearest = blocks(self.shards, self.generators)
            return Assignment(workers, tuple(nearest[shard] for shard in workers), workers)
        generators, first = list[int](), 0
        for shard in range(self.shards):
            own = blocks(self.generators, self.shards).count(shard)
            check_parts("generators", own, workers.count(shard))
            generators += [first + one for one in blocks(workers.count(shard), own)]
            first += own
        return Assignment(workers, tuple(generators), workers)
