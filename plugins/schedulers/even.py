"""Even sharding: neighbouring lanes share a worker, and all workers have the same load."""

from __future__ import annotations

from dataclasses import dataclass

from rlvla.core.assignment import Assignment
from rlvla.plugins.schedulers.blocks import blocks, check_parts


@dataclass(frozen=True, kw_only=True)
class Even:
    """Deal the lanes out in blocks of equal size, give or take one."""

    shards: int | None = None
    """Simulator workers, at most one per lane; null: 2, or 1 if the simulator steps a batch."""
    generators: int = 1
    """Generators; each serves a block of lanes, whichever shards they are in."""
    groups: int | None = None
    """Groups of lanes, for batching rules that keep a group together; null: the shards."""

    def __post_init__(self) -> None:
        for name in ("shards", "generators", "groups"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")

    def assign(self, lanes: int, *, batched: bool = False) -> Assignment:
        """Return blocks, larger ones first; raise ValueError if one would be empty."""
        shards = self.shards or (1 if batched else min(2, lanes))
        groups = self.groups or shards
        check_parts("shards", shards, lanes)
        check_parts("generators", self.generators, lanes)
        check_parts("groups", groups, lanes)
        return Assignment(
            blocks(lanes, shards), blocks(lanes, self.generators), blocks(lanes, groups)
        )
