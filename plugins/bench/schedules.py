"""The schedules that are compared: what each changes in a manifest."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SYNCHRONOUS = ("async.stream=false", "async.max_staleness=0")
IN_GROUPS = (*SYNCHRONOUS, "schedulers.batching={type: pipelined}")
BASELINE, FULL = "vectorised", "fully async"

SCHEDULES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        BASELINE: (*SYNCHRONOUS, "async.rollout=false"),
        "pipelined k=2": (*IN_GROUPS, "schedulers.sharding.groups=2"),
        "pipelined k=4": (*IN_GROUPS, "schedulers.sharding.groups=4"),
        "rollout async": SYNCHRONOUS,
        FULL: (),
    }
)
"""Name of a schedule to the overrides that make it; the last is the manifest as it is.

The first is the paper's baseline: at every step every lane waits for every other, and for the
trainer after every batch. Pipelined schedules are synchronous, too, but k groups of lanes take
turns at the generator: the best that can be done without asynchrony.
"""

PIPELINED = tuple(name for name in SCHEDULES if name.startswith("pipelined"))
