"""Checks of batching and sharding rules."""

from __future__ import annotations

import random
from itertools import pairwise, product
from typing import TYPE_CHECKING

from rlvla.core.testing.conformance import check_description, expect
from rlvla.core.types import Queue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlvla.core.assignment import Assignment
    from rlvla.core.interfaces import Batching, BatchingRule, Sharding

SIZES = (1, 2, 7, 64)
"""Numbers of lanes that batching is tried with."""
TURNS = 200
"""Times that a rule is asked, for each number of lanes and groups."""


def check_batching(batching: Batching) -> None:
    """Check that a batching rule serves who is there and lets nobody wait for ever.

    Rules may remember; each is fresh. They are asked as lanes come, go and leave at random.
    """
    check_description(batching)
    tried = 0
    for lanes, parts in product(SIZES, (1, 2)):
        groups = {lane: lane * parts // lanes for lane in range(lanes)}
        try:
            first, second = batching.rule(groups), batching.rule(groups)
        except ValueError:
            continue
        tried += 1
        _Trial(first, lanes).run()
        _Trial(second, lanes).drain()
    expect("rule must accept some groups of lanes", holds=tried)


def check_sharding(sharding: Sharding) -> None:
    """Check that a sharding rule gives each lane a worker, a generator and a group.

    It may refuse a number of lanes with ValueError, but not all between 1 and 128.
    """
    check_description(sharding)
    served = [lanes for lanes in range(1, 129) if _assigns(sharding, lanes)]
    expect("assign must accept some number of lanes between 1 and 128", holds=served)


class _Trial:
    """A rule, and lanes that ask it."""

    def __init__(self, rule: BatchingRule, lanes: int) -> None:
        self.rule = rule
        self.away = [*range(lanes)]
        self.active = {*range(lanes)}
        self.waiting: dict[int, float] = {}
        self.time = 0.0
        self.random = random.Random(lanes)

    def run(self) -> None:
        """Ask about lanes that come and go at random, then until nobody waits."""
        for _ in range(TURNS):
            self._arrive(self.random.randint(0, len(self.away)))
            self.time += self.random.expovariate(100)
            self._turn()
            self._leave_or_join()
        self.drain()

    def drain(self) -> None:
        """Let all lanes wait, with the clock moving as the rule asks, until they are served."""
        self._arrive(len(self.away))
        self.active = {*self.waiting}
        for _ in range(10 * len(self.waiting) + 10):
            if not self.waiting:
                return
            self.active -= {*self._turn()}  # those that were served stay away
        expect(f"{len(self.waiting)} lanes wait for ever, nobody else can come", holds=False)

    def _arrive(self, count: int) -> None:
        self.random.shuffle(self.away)
        for lane in self.away[:count]:
            self.waiting[lane] = self.time
        del self.away[:count]
        self.active |= {*self.waiting}

    def _leave_or_join(self) -> None:
        for lane in self.away:
            (self.active.discard if self.random.random() < 0.2 else self.active.add)(lane)

    def _turn(self) -> Sequence[int]:
        """Ask once; return the lanes that were served."""
        if not self.waiting:
            return ()
        lanes, since = [*self.waiting], [*self.waiting.values()]
        waited = (self.time - since[0]) * 1000
        queue = Queue(tuple(lanes), frozenset(self.active), waited, self.time, tuple(since))
        taken = [*self.rule.take(queue)]
        _check_taken(taken, len(lanes))
        if not taken:
            self.time += self._patience(waited)
            return ()
        batch = [lanes[position] for position in taken]
        seconds = self.random.expovariate(20)
        self.time += seconds
        self._served(len(batch), seconds, self.random.choice((0.0, seconds / 2)))
        for lane in batch:
            del self.waiting[lane]
        self.away += batch
        return batch

    def _patience(self, waited: float) -> float:
        patience = self.rule.patience_ms(waited)
        expect(
            f"patience_ms({waited:g}) must be None or at least 0, it is {patience}",
            holds=patience is None or patience >= 0,
        )
        return (patience or 0.0) / 1000

    def _served(self, size: int, seconds: float, waited: float) -> None:
        try:
            self.rule.served(size, seconds, waited)
        except Exception as error:
            call = f"served({size}, {seconds:g}, {waited:g})"
            expect(f"{call} must not raise, it raises {error!r}", holds=False)
            raise


def _check_taken(taken: list[int], waiting: int) -> None:
    expect(
        f"take must return rising positions from 0 to {waiting - 1}, it returns {taken}",
        holds=all(0 <= position < waiting for position in taken)
        and all(one < following for one, following in pairwise(taken)),
    )


def _assigns(sharding: Sharding, lanes: int) -> bool:
    try:
        assignments = [sharding.assign(lanes, batched=batched) for batched in (False, True)]
    except ValueError:
        return False
    for assignment in assignments:
        _check_assignment(assignment, lanes)
    return True


def _check_assignment(assignment: Assignment, lanes: int) -> None:
    for name in ("workers", "generators", "groups"):
        numbers = getattr(assignment, name)
        expect(
            f"assign({lanes}) must give each lane one of the {name}, it gives {numbers}",
            holds=len(numbers) == lanes,
        )
