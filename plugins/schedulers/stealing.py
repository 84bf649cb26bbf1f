"""Even sharding whose generators help each other out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rlvla.plugins.schedulers.even import Even

if TYPE_CHECKING:
    from rlvla.core.assignment import Assignment


@dataclass(frozen=True, kw_only=True)
class Stealing(Even):
    """Like `even`, but a generator without requests takes those that wait for a busy one."""

    generators: int = 2
    """Generators; each serves a block of lanes, and of others when it has nothing to do."""

    def assign(self, lanes: int, *, batched: bool = False) -> Assignment:
        """Return the even assignment, with stealing."""
        return replace(super().assign(lanes, batched=batched), stealing=True)
