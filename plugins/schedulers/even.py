"""Even sharding: neighbouring lanes share a worker, and all workers have the same load."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, kw_only=True)
class Even:
    """Split the lanes into shards of equal size, give or take one."""

    shards: int = 2
    """Simulator workers; at most one per lane."""

    def __post_init__(self) -> None:
        if self.shards < 1:
            raise ValueError(f"shards must be at least 1, got {self.shards}")

    def split(self, lanes: int) -> list[range]:
        """Return consecutive ranges, larger ones first; raise ValueError if one would be empty."""
        if self.shards > lanes:
            raise ValueError(
                f"shards must be at most the number of lanes, {lanes}, got {self.shards}"
            )
        size, larger = divmod(lanes, self.shards)
        ends = [shard * size + min(shard, larger) for shard in range(self.shards + 1)]
        return [range(first, end) for first, end in pairwise(ends)]
