"""What a simulated run came to: counters, and the figures that follow from two of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.core.clock import now

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from rlvla.core.progress import Progress
    from rlvla.core.runtime.virtual.world import World

ROLES: Mapping[str, str] = {"shard": "simulator", "generator": "generator", "trainer": "trainer"}
"""What a user calls the workers of each role."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What happened between two updates of a simulated run."""

    seconds: float
    """Of virtual time."""
    updates: int
    decisions: int
    """Trained on."""
    staleness: Mapping[int, int]
    """Decisions by how many versions they were old when they were trained on."""
    utilisation: Mapping[str, float]
    """Busy share, 0 to 1: of `simulator`, `generator` and `trainer` workers, of each kind of
    shared unit (`core`, `gpu`, `turn`), and of the `lanes`: the share of a lane's time that its
    steps and decisions would take if it were served alone and at once."""
    batch: float
    """Mean requests of a generator's batch."""

    @property
    def decisions_per_s(self) -> float:
        """Throughput."""
        return self.decisions / self.seconds

    @property
    def bottleneck(self) -> str:
        """What is busiest."""
        return max(self.utilisation, key=self.utilisation.__getitem__)

    @property
    def bound(self) -> float:
        """Decisions/s if the busiest never waited, with batches of the size that they had."""
        return self.decisions_per_s / self.utilisation[self.bottleneck]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Counters of a world at one moment."""

    time: float
    updates: int
    decisions: int
    staleness: Counter[int]
    busy: dict[str, float]
    """Seconds of finished work by role, and held by kind of unit."""
    batches: int
    requests: int

    @classmethod
    def of(cls, world: World, progress: Progress) -> Snapshot:
        """Take one now."""
        busy = {name: world.work(role) for role, name in ROLES.items()}
        for unit, seconds in world.units.busy.items():
            busy[unit.kind] = busy.get(unit.kind, 0.0) + seconds
        return cls(
            time=now(),
            updates=progress.updates,
            decisions=progress.decisions,
            staleness=world.staleness.copy(),
            busy=busy,
            batches=world.batches,
            requests=world.requests,
        )


def between(before: Snapshot, after: Snapshot, capacity: Mapping[str, int], world: World) -> Result:
    """Return what happened between two snapshots; `capacity` says how many there are of each."""
    seconds = after.time - before.time
    requests = after.requests - before.requests
    busy = {name: until - before.busy.get(name, 0.0) for name, until in after.busy.items()}
    busy["lanes"] = busy["simulator"] + requests * world.latencies.generator.seconds(1)
    return Result(
        seconds=seconds,
        updates=after.updates - before.updates,
        decisions=after.decisions - before.decisions,
        staleness=dict(sorted((after.staleness - before.staleness).items())),
        utilisation={
            name: min(1.0, busy[name] / (seconds * count)) for name, count in capacity.items()
        },
        batch=requests / max(after.batches - before.batches, 1),
    )
