"""Dynamic batching: the generator waits for company, but never long.

A batch leaves as soon as it is full, nobody else can join it, or its oldest request has waited
long enough: the rule of RL-VLA³ (arXiv 2602.05765), with the clock started by the first request.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from rlvla.plugins.schedulers.groups import Groups

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.interfaces import BatchingRule
    from rlvla.core.types import Queue

TICK_MS = 1e-6
"""Clocks round: a wait that ends this little later is over."""


@dataclass(frozen=True, kw_only=True)
class Dynamic:
    """Serve the oldest requests once they fill a batch or have waited long enough."""

    max_batch: int = 16
    """How much fills a batch; see `count`."""
    max_wait_ms: float = 2.0
    """Longest time in milliseconds that the oldest lane waits for others; 0: not at all."""
    count: Literal["lanes", "samples", "groups"] = "lanes"
    """What `max_batch` counts. lanes: each lane is a request of its own. The others never split a
    group of the sharding scheduler, which is a request once all its lanes wait. samples: the lanes
    of such groups; the group that fills the batch may overfill it. groups: such groups."""
    equal_groups: bool = False
    """Refuse a sharding whose groups differ in size."""

    def __post_init__(self) -> None:
        if self.max_batch < 1:
            raise ValueError(f"max_batch must be at least 1, got {self.max_batch}")
        if not 0 <= self.max_wait_ms < float("inf"):
            raise ValueError(f"max_wait_ms must be finite and at least 0, got {self.max_wait_ms}")

    def rule(self, groups: Mapping[int, int]) -> BatchingRule:
        """Return the rule; raise ValueError if the groups should be of one size, but are not."""
        members = Groups(groups)
        sizes = {group: len(lanes) for group, lanes in members.lanes.items()}
        if self.equal_groups and len({*sizes.values()}) > 1:
            told = ", ".join(f"group {group}: {size}" for group, size in sizes.items())
            raise ValueError(f"equal_groups asks for groups of one size, there are lanes in {told}")
        return _Lanes(self) if self.count == "lanes" else _Groups(self, members)


@dataclass(frozen=True)
class _Lanes:
    """Requests of one lane each."""

    options: Dynamic

    def take(self, queue: Queue) -> Sequence[int]:
        """Return up to `max_batch` if the batch is full, complete or overdue."""
        most, waiting = self.options.max_batch, len(queue.lanes)
        if waiting >= min(len(queue.active), most) or self._is_overdue(queue.waited_ms):
            return range(min(waiting, most))
        return ()

    def patience_ms(self, waited_ms: float) -> float | None:
        """Return the time left until the oldest lane is overdue; None if it is."""
        overdue = self._is_overdue(waited_ms)
        return None if overdue else self.options.max_wait_ms - waited_ms

    def served(self, size: int, seconds: float, waited: float) -> None:
        """Learn nothing."""

    def _is_overdue(self, waited_ms: float) -> bool:
        return waited_ms >= self.options.max_wait_ms - TICK_MS


@dataclass(frozen=True)
class _Groups(_Lanes):
    """Requests of a whole group each."""

    groups: Groups

    def take(self, queue: Queue) -> Sequence[int]:
        """Return the oldest complete groups if they fill a batch, are all, or one is overdue."""
        complete = [*self.groups.complete(queue).values()]
        counts = [len(one) if self.options.count == "samples" else 1 for one in complete]
        before = [0, *accumulate(counts)]
        taken = [one for one, done in zip(complete, before, strict=False) if done < self._most]
        full = before[-1] >= self._most
        everyone = sum(map(len, complete)) >= len(queue.active)
        if full or everyone or self._is_overdue(queue.waited_ms):
            return sorted(position for one in taken for position in one)
        return ()

    @property
    def _most(self) -> int:
        return self.options.max_batch
