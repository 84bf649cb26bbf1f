"""Schedulers: who is served when, by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.assignment import Assignment
    from rlvla.core.types import Queue


class Batching(Protocol):
    """Decides when waiting requests become a batch for a generator."""

    def rule(self, groups: Mapping[int, int]) -> BatchingRule:
        """Return a fresh rule for one generator; `groups` maps the lanes it serves to groups.

        Raise ValueError if the options do not fit them.
        """
        ...


class BatchingRule(Protocol):
    """The batching of one generator. No clock, no I/O: what it knows, it is told.

    The core's batcher asks when the generator is free and anything changed, keeps the order of
    arrival and starts a request's clock when it is enqueued.
    """

    def take(self, queue: Queue) -> Sequence[int]:
        """Return which of `queue.lanes` to serve now, as rising positions; none to wait on."""
        ...

    def patience_ms(self, waited_ms: float) -> float | None:
        """Return after how long `take` should be asked again even if nothing arrives."""
        ...

    def served(self, size: int, seconds: float, waited: float) -> None:
        """Learn that the generator took `seconds` for a batch of `size` requests.

        For `waited` of these its turn at a device that it shares was waited for (`turns` of the
        placement): exactly 0 if that was free at once or is its own.
        """
        ...


class Sharding(Protocol):
    """Decides which simulator worker owns a lane and which generator serves it."""

    def assign(self, lanes: int, *, batched: bool = False) -> Assignment:
        """Return the assignment of `lanes` lanes; raise ValueError if the options do not fit.

        `batched`: the simulator steps the lanes of a worker at once, so that each worker more
        makes its batches smaller; they stay whole unless an option says otherwise.
        """
        ...
