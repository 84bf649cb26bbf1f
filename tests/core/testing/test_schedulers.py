from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from rlvla.core.batcher import Lockstep
from rlvla.core.testing import ConformanceError, check_batching, check_sharding
from rlvla.plugins.schedulers.dynamic import Dynamic
from rlvla.plugins.schedulers.even import Even

if TYPE_CHECKING:
    from rlvla.core.interfaces import Batching


@dataclass
class Broken:
    """A batching rule that breaks the rule that `fault` names."""

    fault: str
    calls: int = field(default=0, init=False)

    def take(self, waiting: int, active: int, waited_ms: float) -> int:
        del waited_ms
        self.calls += 1
        answers = {"many": waiting + 1, "impure": self.calls % 2, "never": 0}
        return answers.get(self.fault, waiting if waiting >= active else 0)

    def patience_ms(self, waited_ms: float) -> float | None:
        return -1.0 if self.fault == "impatient" else None


@dataclass(frozen=True)
class Dealer:
    """A sharding rule that breaks the rule that `fault` names."""

    fault: str

    def split(self, lanes: int) -> list[range]:
        if self.fault == "picky":
            raise ValueError("no number is good enough")
        return {"twice": [range(lanes), range(1)], "empty": [range(lanes), range(0)]}[self.fault]


@pytest.mark.parametrize("rule", [Dynamic(), Dynamic(max_batch=1, max_wait_ms=0.0), Lockstep()])
def test_built_in_batching_rules_conform(rule: Batching) -> None:
    check_batching(rule)


def test_the_built_in_sharding_rule_conforms() -> None:
    check_sharding(Even(shards=3))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("many", r"take\(waiting=1, active=1, waited_ms=0\) must be from 0 to 1, it is 2"),
        ("impure", r"must be pure, it is 1, then 0"),
        ("never", r"1 lanes wait for ever"),
        ("impatient", r"patience_ms\(0\) must be None or at least 0, it is -1"),
    ],
)
def test_a_broken_batching_rule_is_told_in_a_sentence(fault: str, told: str) -> None:
    with pytest.raises(ConformanceError, match=told):
        check_batching(Broken(fault))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("twice", r"split\(1\) must give every lane to exactly one worker"),
        ("empty", r"split\(1\) must give every lane to exactly one worker"),
        ("picky", r"split must accept some number of lanes"),
    ],
)
def test_a_broken_sharding_rule_is_told_in_a_sentence(fault: str, told: str) -> None:
    with pytest.raises(ConformanceError, match=told):
        check_sharding(Dealer(fault))
