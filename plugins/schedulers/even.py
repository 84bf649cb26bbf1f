"""Even sharding: neighbouring lanes share a worker, and all workers have the same load."""

from __future__ import annotations

from dataclasses import dataclass

from rlvla.core.assignment import Assignment


@dataclass(frozen=True, kw_only=True)
class Even:
    """Split the lanes into shards of equal size, give or take one."""

    shards: int = 2
    """Simulator workers; at most one per lane."""

    def __post_init__(self) -> None:
        if self.shards < 1:
            raise ValueError(f"shards must be at least 1, got {self.shards}")

    def assign(self, lanes: int) -> Assignment:
        """Give neighbours the same worker, larger shares first; ValueError if one were empty."""
        if self.shards > lanes:
            raise ValueError(
                f"shards must be at most the number of lanes, {lanes}, got {self.shards}"
            )
        size, larger = divmod(lanes, self.shards)
        sizes = [size + (shard < larger) for shard in range(self.shards)]
        workers = tuple(shard for shard, own in enumerate(sizes) for _ in range(own))
        return Assignment(workers=workers, generators=(0,) * lanes, groups=workers)
