"""Pipelined batching: the groups alternate, and each keeps its lockstep.

While the lanes of one group simulate, the generator serves another. With as many groups as it
takes to keep the generator busy, this is the best that a synchronous rollout can do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rlvla.plugins.schedulers.groups import Groups

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rlvla.core.types import Queue


@dataclass(frozen=True, kw_only=True)
class Pipelined:
    """Serve a group when all its active lanes wait; the groups are those of the sharding."""

    order: Literal["arrival", "round_robin", "group_greedy"] = "arrival"
    """arrival: the group that was complete first, alone. round_robin: in turn by number, one
    group at a time, waiting for the one whose turn it is; a group none of whose lanes is active
    loses its turn. group_greedy: all groups that are complete, in one batch."""

    def rule(self, groups: Mapping[int, int]) -> _Rule:
        """Return the rule; the first turn is that of the group with the lowest number."""
        return _Rule(self.order, Groups(groups))


@dataclass
class _Rule:
    order: str
    groups: Groups
    turns: list[int] = field(init=False)
    """Groups, the next first."""

    def __post_init__(self) -> None:
        self.turns = [*self.groups.lanes]

    def take(self, queue: Queue) -> Sequence[int]:
        """Return whole groups, or nothing."""
        orders: dict[str, Callable[[Queue, dict[int, list[int]]], Sequence[int]]] = {
            "arrival": self._first,
            "round_robin": self._next,
            "group_greedy": self._all,
        }
        return orders[self.order](queue, self.groups.complete(queue))

    def patience_ms(self, waited_ms: float) -> float | None:
        """Wait for ever: only an arrival or a departure completes a group."""
        del waited_ms
        return None

    def served(self, size: int, seconds: float, waited: float) -> None:
        """Learn nothing."""

    def _first(self, queue: Queue, complete: dict[int, list[int]]) -> Sequence[int]:
        del queue
        return next(iter(complete.values()), ())

    def _next(self, queue: Queue, complete: dict[int, list[int]]) -> Sequence[int]:
        turn = next((one for one in self.turns if self.groups.lanes[one] & queue.active), None)
        if turn is None or turn not in complete:
            return ()
        following = self.turns.index(turn) + 1
        self.turns = self.turns[following:] + self.turns[:following]
        return complete[turn]

    def _all(self, queue: Queue, complete: dict[int, list[int]]) -> Sequence[int]:
        del queue
        return sorted(position for mine in complete.values() for position in mine)
