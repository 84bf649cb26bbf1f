from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from rlvla.core.assignment import Assignment
from rlvla.core.batcher import Lockstep
from rlvla.core.testing import ConformanceError, check_batching, check_sharding
from rlvla.plugins.schedulers.adaptive import Adaptive
from rlvla.plugins.schedulers.dynamic import Dynamic
from rlvla.plugins.schedulers.even import Even
from rlvla.plugins.schedulers.greedy import Greedy
from rlvla.plugins.schedulers.locality import Locality
from rlvla.plugins.schedulers.pipelined import Pipelined
from rlvla.plugins.schedulers.stealing import Stealing
from rlvla.plugins.schedulers.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlvla.core.interfaces import Batching, Sharding
    from rlvla.core.types import Queue


@dataclass
class Broken:
    """A batching rule that breaks the rule that `fault` names."""

    fault: str

    def rule(self, groups: Mapping[int, int]) -> Broken:
        if self.fault == "picky":
            raise ValueError("no groups are good enough")
        return self

    def take(self, queue: Queue) -> Sequence[int]:
        every = [*range(len(queue.lanes))]
        answers = {"many": [*every, len(every)], "twice": [0, 0], "never": [], "impatient": []}
        return answers.get(self.fault, every)

    def patience_ms(self, waited_ms: float) -> float | None:
        return -1.0 if self.fault == "impatient" else None

    def served(self, size: int, seconds: float, waited: float) -> None:
        if self.fault == "fragile":
            raise RuntimeError("cannot learn")


@dataclass(frozen=True)
class Dealer:
    """A sharding rule that breaks the rule that `fault` names."""

    fault: str

    def assign(self, lanes: int, *, batched: bool = False) -> Assignment:
        if self.fault == "picky":
            raise ValueError("no number is good enough")
        few = (0,) * (lanes - 1)
        return Assignment(few, few, few)


@pytest.mark.parametrize(
    "batching",
    [
        Lockstep(),
        Greedy(),
        Greedy(max_batch=1),
        Dynamic(),
        Dynamic(max_batch=1, max_wait_ms=0.0),
        Dynamic(max_batch=5, count="samples"),
        Dynamic(max_batch=2, count="groups", equal_groups=True),
        Pipelined(),
        Pipelined(order="round_robin"),
        Pipelined(order="group_greedy"),
        Adaptive(),
        Adaptive(max_batch=3),
    ],
)
def test_built_in_batching_rules_conform(batching: Batching) -> None:
    check_batching(batching)


@pytest.mark.parametrize(
    "sharding", [Even(), Stealing(), Locality(generators=3), Tables(lanes=[[2, 3], [1]])]
)
def test_built_in_sharding_rules_conform(sharding: Sharding) -> None:
    check_sharding(sharding)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("many", r"take must return rising positions from 0 to \d+, it returns"),
        ("twice", r"take must return rising positions from 0 to \d+, it returns \[0, 0\]"),
        ("never", r"1 lanes wait for ever, nobody else can come"),
        ("impatient", r"patience_ms\(.*\) must be None or at least 0, it is -1.0"),
        ("fragile", r"served\(1, .*\) must not raise, it raises RuntimeError\('cannot learn'\)"),
        ("picky", r"rule must accept some groups of lanes"),
    ],
)
def test_a_broken_batching_rule_is_told_in_a_sentence(fault: str, told: str) -> None:
    with pytest.raises(ConformanceError, match=told):
        check_batching(Broken(fault))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("forgetful", r"assign\(1\) must give each lane one of the workers, it gives \(\)"),
        ("picky", r"assign must accept some number of lanes between 1 and 128"),
    ],
)
def test_a_broken_sharding_rule_is_told_in_a_sentence(fault: str, told: str) -> None:
    with pytest.raises(ConformanceError, match=told):
        check_sharding(Dealer(fault))
