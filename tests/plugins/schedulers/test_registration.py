from __future__ import annotations

from rlvla.core.registry import Components
from rlvla.plugins import schedulers


def test_every_scheduler_is_registered_under_its_name() -> None:
    components = Components()
    schedulers.register(components)
    assert {*components.batching} == {"greedy", "dynamic", "pipelined", "adaptive", "lockstep"}
    assert {*components.sharding} == {"even", "tables", "locality", "stealing", "auto"}
    built = [components.batching[name]().__class__.__name__.lower() for name in components.batching]
    assert built == [*components.batching]
