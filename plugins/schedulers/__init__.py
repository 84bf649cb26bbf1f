"""Schedulers that come with rlvla: when requests become a batch, and who owns which lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.core.hooks import hookimpl

if TYPE_CHECKING:
    from rlvla.core.registry import Components


@hookimpl
def register(components: Components) -> None:
    """Register the batching and sharding schedulers."""
    for name in ("greedy", "dynamic", "pipelined", "adaptive"):
        components.batching.add(name, f"rlvla.plugins.schedulers.{name}:{name.capitalize()}")
    components.batching.add("lockstep", "rlvla.core.batcher:Lockstep")
    for name in ("even", "tables", "locality", "stealing", "auto"):
        components.sharding.add(name, f"rlvla.plugins.schedulers.{name}:{name.capitalize()}")
