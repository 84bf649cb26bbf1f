"""Latencies of round numbers, and a job for workers that answer by them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import pytest
from toys.line import Line
from toys.tiny import Tiny

from rlvla.core.latency import Curve, Latencies, Latency
from rlvla.core.placement import Placement
from rlvla.core.runtime.virtual.faults import Faults
from rlvla.core.runtime.virtual.runtime import Virtual
from rlvla.core.workers import Job
from rlvla.plugins.algorithms.ppo import PPO

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from rlvla.core.runtime.virtual.world import World
    from rlvla.core.workers import Workers


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a test varies."""

    latencies: Latencies
    cells: int = 1
    shards: int = 2
    generators: int = 1
    placement: Placement = field(default_factory=Placement)
    faults: Faults = field(default_factory=Faults)
    start_s: float = 0.0

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[tuple[Workers, World]]:
        """Start workers, two lanes a shard, with version 0 of the weights; the clock is at 0."""
        runtime = Virtual(
            latencies=self.latencies, cells=self.cells, faults=self.faults, start_s=self.start_s
        )
        job = Job(
            simulator=Line(),
            model=Tiny(),
            algorithm=PPO(batch_size=32, micro_batch_size=8),
            lanes=[[2 * shard, 2 * shard + 1] for shard in range(self.shards)],
            generators=self.generators,
            placement=self.placement,
            slots=64,
            seed=0,
        )
        world = runtime.world(job)
        async with runtime.inhabit(world, job) as workers:
            for memory in world.memories:
                memory.begin(0)
                memory.commit(0)
            yield workers, world


@pytest.fixture
def latencies() -> Latencies:
    """A step takes 1 s, a reset 2 s, a batch of n decisions 1 + n s, a micro-batch of n 0.5 n s."""
    return Latencies(
        step=Latency(mean_ms=1000),
        reset=Latency(mean_ms=2000),
        generator=Curve(base_ms=1000, per_sample_ms=1000),
        trainer=Curve(base_ms=0, per_sample_ms=500),
        update_ms=3000,
        all_reduce_ms=1000,
    )


@pytest.fixture
def setting(latencies: Latencies) -> Callable[..., Setting]:
    """Make a setting with these latencies unless others are given."""
    return partial(Setting, latencies=latencies)
