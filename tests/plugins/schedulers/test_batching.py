from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvla.core.batcher import Lockstep
from rlvla.plugins.schedulers.dynamic import Dynamic

if TYPE_CHECKING:
    from rlvla.core.interfaces import Batching

rules = st.builds(
    Dynamic,
    max_batch=st.integers(1, 64),
    max_wait_ms=st.floats(0, 1e4),
)
counts = st.integers(1, 100)
times = st.floats(0, 1e5)


@given(rules, counts, counts, times)
def test_dynamic_serves_all_or_nothing_up_to_a_full_batch(
    rule: Dynamic, waiting: int, others: int, waited_ms: float
) -> None:
    served = rule.take(waiting, waiting + others, waited_ms)
    assert served in {0, min(waiting, rule.max_batch)}


@given(rules, counts, times)
def test_dynamic_never_waits_for_a_lane_that_cannot_come(
    rule: Dynamic, waiting: int, waited_ms: float
) -> None:
    assert rule.take(waiting, waiting, waited_ms) == min(waiting, rule.max_batch)


@given(rules, counts, counts)
def test_dynamic_serves_at_once_only_what_fills_a_batch(
    rule: Dynamic, waiting: int, others: int
) -> None:
    served = rule.take(waiting, waiting + others, 0.0) > 0
    assert served == (waiting >= rule.max_batch or rule.max_wait_ms == 0)


@given(rules, counts, counts)
def test_dynamic_serves_when_its_patience_has_passed(
    rule: Dynamic, waiting: int, others: int
) -> None:
    assert rule.take(waiting, waiting + others, rule.patience_ms(0.0)) > 0


@given(rules, counts, counts, times, times)
def test_waiting_longer_never_makes_dynamic_serve_less(
    rule: Dynamic, waiting: int, others: int, first: float, second: float
) -> None:
    sooner, later = sorted((first, second))
    active = waiting + others
    assert rule.take(waiting, active, sooner) <= rule.take(waiting, active, later)
    assert rule.patience_ms(sooner) >= rule.patience_ms(later) >= 0


@given(counts, st.integers(0, 100), times)
def test_lockstep_serves_every_active_lane_or_none(
    waiting: int, missing: int, waited_ms: float
) -> None:
    served = Lockstep().take(waiting, waiting + missing, waited_ms)
    assert served == (0 if missing else waiting)


def test_lockstep_is_not_moved_by_time() -> None:
    rule: Batching = Lockstep()
    assert rule.patience_ms(1e9) is None


@pytest.mark.parametrize("rule", [Dynamic(), Dynamic(max_wait_ms=0), Lockstep()])
def test_an_empty_queue_gives_no_batch(rule: Batching) -> None:
    assert rule.take(0, 0, 0.0) == 0
    assert rule.take(0, 4, 0.0) == 0


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^max_batch must be at least 1, got 0$"):
        Dynamic(max_batch=0)


@pytest.mark.parametrize("wait", [-1.0, float("inf"), float("nan")])
def test_a_wait_that_is_no_time_is_refused(wait: float) -> None:
    with pytest.raises(ValueError, match=r"^max_wait_ms must be finite and at least 0, got"):
        Dynamic(max_wait_ms=wait)
