"""Batching rules that are watched: nobody is overtaken, nobody waits without need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.schedulers.adaptive import Adaptive
from rlvla.plugins.schedulers.dynamic import Dynamic
from rlvla.plugins.schedulers.greedy import Greedy
from simulation.watch import check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.interfaces import Batching, BatchingRule
    from rlvla.core.types import Queue


@dataclass(frozen=True)
class Watched:
    """A batching scheduler whose rules are watched; `options` are those it should obey."""

    batching: Batching
    options: Batching

    def rule(self, groups: Mapping[int, int]) -> WatchedRule:
        """Return the rule of the scheduler, watched."""
        return WatchedRule(self.batching.rule(groups), self.options)


@dataclass(frozen=True)
class WatchedRule:
    """A batching rule and what it must do."""

    rule: BatchingRule
    options: Batching

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
        if isinstance(self.options, Greedy | Adaptive) or self._lone:
            check([*taken] == [*range(len(taken))], f"{taken} of {queue}")
            most: int = getattr(self.options, "max_batch")  # noqa: B009 - all of these have it
            check(len(taken) <= most, f"{len(taken)} are more than {most}")

    def _in_time(self, queue: Queue, taken: Sequence[int]) -> None:
        """Check that dynamic batches leave when they are full, complete or overdue, and only then.

        The clock is that of the first request: RL-VLA³'s started when the generator was free.
        """
        options = self.options
        if isinstance(options, Greedy):
            check(taken, f"nobody is served of {queue}")
        if not isinstance(options, Dynamic) or not self._lone:
            return
        overdue = queue.time_s - queue.since_s[0] >= options.max_wait_ms / 1000 - 1e-8
        full = len(queue.lanes) >= min(options.max_batch, len(queue.active))
        check(bool(taken) == (overdue or full), f"{taken} of {queue}")

    @property
    def _lone(self) -> bool:
        return isinstance(self.options, Dynamic) and self.options.count == "lanes"
