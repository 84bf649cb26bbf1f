from __future__ import annotations

from rlvla.core.registry import Components
from rlvla.plugins import schedulers


def test_every_scheduler_is_registered_under_its_name() -> None:
    components = Components()
    schedulers.register(components)
    built = [components.batching[name]().__class__.__name__ for name in components.batching]
    assert built == ["Dynamic", "Lockstep"]
    assert components.sharding["even"]().split(2) == [range(1), range(1, 2)]
