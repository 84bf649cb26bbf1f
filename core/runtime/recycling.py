"""When simulator workers are replaced although they are well: they leak, or grow brittle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlvla.core.runtime.calls import Calls

GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Recycle:
    """What a worker may use up before its lanes begin their next episodes in a successor.

    Nothing is lost: the worker ends when the last of the episodes that it has begun is over, and
    until then both are there.
    """

    episodes: int | None = None
    """Episodes that a worker begins."""
    memory_gib: float | None = None
    """Memory that a worker has for itself alone; the shared rows and libraries do not count."""

    def __post_init__(self) -> None:
        for name in ("episodes", "memory_gib"):
            limit = getattr(self, name)
            if limit is not None and limit <= 0:
                raise ValueError(f"{name} must be positive, got {limit}")

    def due(self, worker: Calls, *, begun: int) -> bool:
        """Return whether a worker that has begun so many episodes shall begin no other."""
        if not begun:
            return False
        if self.episodes is not None and begun >= self.episodes:
            return True
        return self.memory_gib is not None and worker.memory > self.memory_gib * GIB
