"""Schedulers that come with rlvla: when requests become a batch, and who owns which lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.hooks import hookimpl

if TYPE_CHECKING:
    from rlvla.core.registry import Components


@hookimpl
def register(components: Components) -> None:
    """Register the batching and sharding schedulers."""
    components.batching.add("dynamic", "rlvla.plugins.schedulers.dynamic:Dynamic")
    components.batching.add("greedy", "rlvla.plugins.schedulers.greedy:Greedy")
    components.batching.add("lockstep", "rlvla.core.batcher:Lockstep")
    components.sharding.add("even", "rlvla.plugins.schedulers.even:Even")
