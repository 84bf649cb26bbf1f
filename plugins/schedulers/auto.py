"""Automatic sharding: workers and generators that measured latencies say are fastest.

Each candidate is judged by the closed queueing network of `network`. A simulator that steps a
batch keeps it whole: it has one worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the type of an option is read at run time
from typing import TYPE_CHECKING

from rlvla.core.latency import load
from rlvla.plugins.schedulers.locality import Locality
from rlvla.plugins.schedulers.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlvla.core.assignment import Assignment

ENOUGH = 0.99
"""The smallest candidate that reaches this part of the best rate is taken."""


@dataclass(frozen=True)
class Candidate:
    """A ratio of workers, and the decisions per second that it promises."""

    shards: int
    generators: int
    trainers: int
    rate: float


@dataclass(frozen=True, kw_only=True)
class Auto:
    """Choose shards and generators from latencies; see `rlvla profile` for the file."""

    latencies: Path
    """File of measured latencies."""
    cores: int
    """CPU cores for simulator workers, one each."""
    devices: int = 1
    """Devices for generators and trainers; a single one is shared by both."""
    micro_batch: int = 32
    """Decisions per forward and backward pass of the trainer."""

    def __post_init__(self) -> None:
        for name in ("cores", "devices", "micro_batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def assign(self, lanes: int, *, batched: bool = False) -> Assignment:
        """Return the assignment of the candidate that `choose` returns, with local generators."""
        best = self.choose(lanes, batched=batched)
        return Locality(shards=best.shards, generators=best.generators).assign(lanes)

    def choose(self, lanes: int, *, batched: bool = False) -> Candidate:
        """Return the smallest candidate that is all but the fastest."""
        network = Network(load(self.latencies), lanes, self.micro_batch)
        found = [*self._candidates(network, batched=batched)]
        enough = ENOUGH * max(one.rate for one in found)
        good = (one for one in found if one.rate >= enough)
        return min(good, key=lambda one: (one.shards + one.generators, -one.rate))

    def _candidates(self, network: Network, *, batched: bool) -> Iterator[Candidate]:
        shards = 1 if batched else min(network.lanes, self.cores)
        shared = self.devices == 1
        for generators in range(1, min(max(self.devices - 1, 1), network.lanes) + 1):
            trainers = max(self.devices - generators, 1)
            bound = network.bound(generators, trainers, shared=shared)
            for workers in range(1, shards + 1):
                own = network.whole(generators)
                if not batched:
                    own = network.rate(workers, generators, shared=shared)
                yield Candidate(workers, generators, trainers, min(bound, own))
