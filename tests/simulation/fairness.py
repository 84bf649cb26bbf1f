"""Batching rules that are watched: nobody is overtaken, nobody waits without need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from simulation.watch import check

from rlvla.plugins.schedulers.adaptive import Adaptive
from rlvla.plugins.schedulers.dynamic import Dynamic
from rlvla.plugins.schedulers.greedy import Greedy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.interfaces import Batching, BatchingRule
    from rlvla.core.types import Queue


@dataclass(frozen=True)
class Watched:
    """A batching scheduler whose rules are watched; `options` are those it should obey."""

    batching: Batching
    options: Batching
    delayed: bool
    """Nobody may be served although it is time: the generator that asks a rule is another's and
    busy, or rollouts are interrupted."""

    def rule(self, groups: Mapping[int, int]) -> WatchedRule:
        """Return the rule of the scheduler, watched."""
        return WatchedRule(self.batching.rule(groups), self.options, self.delayed)


@dataclass
class WatchedRule:
    """A batching rule and what it must do."""

    rule: BatchingRule
    options: Batching
    delayed: bool
    due: float = float("inf")
    """When the oldest request must be served, if the generator is free."""

    def take(self, queue: Queue) -> Sequence[int]:
        """Take, and check what was taken from what."""
        first = queue.since_s[0]
        check([*queue.since_s] == sorted(queue.since_s), f"{queue} is out of order")
        waited = (queue.time_s - first) * 1000
        check(abs(queue.waited_ms - waited) < 1e-6, f"{queue} has waited for {waited} ms")
        taken = self.rule.take(queue)
        check([*taken] == sorted({*taken}), f"{taken} of {queue}")
        check(not taken or max(taken) < len(queue.lanes), f"{taken} of {queue}")
        self._in_order(queue, taken)
        self._in_time(queue, taken)
        return taken

    def patience_ms(self, waited_ms: float) -> float | None:
        """Return that of the rule."""
        return self.rule.patience_ms(waited_ms)

    def served(self, size: int, seconds: float, waited: float) -> None:
        """Tell the rule."""
        self.rule.served(size, seconds, waited)

    def _in_order(self, queue: Queue, taken: Sequence[int]) -> None:
        """Check that a rule without groups serves who came first, and no more than it may."""
        if isinstance(self.options, Greedy | Adaptive) or _counts_lanes(self.options):
            check([*taken] == [*range(len(taken))], f"{taken} of {queue}")
            check(len(taken) <= self.options.max_batch, f"{len(taken)} are too many")

    def _in_time(self, queue: Queue, taken: Sequence[int]) -> None:
        """Check that dynamic batches leave when they are full, complete or overdue, and only then.

        The clock is that of the first request: RL-VLA³'s started when the generator was free.
        """
        options = self.options
        if isinstance(options, Greedy):
            check(taken, f"nobody is served of {queue}")
        if not _counts_lanes(options):
            return
        on_time = self.delayed or queue.time_s <= self.due + 1e-6
        check(on_time, f"{queue} should have been served at {self.due}")
        overdue = queue.time_s - queue.since_s[0] >= options.max_wait_ms / 1000 - 1e-8
        full = len(queue.lanes) >= min(options.max_batch, len(queue.active))
        check(bool(taken) == (overdue or full), f"{taken} of {queue}")
        latest = queue.since_s[0] + options.max_wait_ms / 1000
        self.due = float("inf") if taken else latest


def _counts_lanes(options: Batching) -> TypeGuard[Dynamic]:
    return isinstance(options, Dynamic) and options.count == "lanes"
