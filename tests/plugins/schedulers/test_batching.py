from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvla.core.types import Queue
from rlvla.plugins.schedulers.dynamic import Dynamic
from rlvla.plugins.schedulers.greedy import Greedy
from rlvla.plugins.schedulers.pipelined import Pipelined

PAIRS = {0: 0, 1: 0, 2: 1, 3: 1, 4: 2, 5: 2}
"""Three groups of two lanes."""

options = st.builds(Dynamic, max_batch=st.integers(1, 64), max_wait_ms=st.floats(0, 1e4))
counts = st.integers(1, 100)


def _queue(lanes: list[int], active: set[int] | None = None, waited_ms: float = 0.0) -> Queue:
    return Queue(lanes, {*PAIRS} if active is None else active, waited_ms, waited_ms / 1000)


def _waiting(waiting: int, others: int, waited_ms: float) -> Queue:
    return Queue(range(waiting), {*range(waiting + others)}, waited_ms, 0.0)


@given(counts, st.integers(0, 100))
def test_greedy_never_leaves_a_free_generator_idle(waiting: int, others: int) -> None:
    rule = Greedy(max_batch=8).rule({})
    assert [*rule.take(_waiting(waiting, others, 0.0))] == [*range(min(waiting, 8))]


@given(options, counts, st.integers(0, 100), st.floats(0, 1e5))
def test_dynamic_leaves_when_full_complete_or_overdue(
    batching: Dynamic, waiting: int, others: int, waited_ms: float
) -> None:
    taken = len(batching.rule({}).take(_waiting(waiting, others, waited_ms)))
    full, complete = waiting >= batching.max_batch, not others
    if full or complete or waited_ms >= batching.max_wait_ms:
        assert taken == min(waiting, batching.max_batch)
    elif waited_ms < batching.max_wait_ms - 1e-5:
        assert taken == 0


@given(options, counts, counts, st.floats(0, 1e4))
def test_dynamic_serves_when_its_patience_has_passed(
    batching: Dynamic, waiting: int, others: int, waited_ms: float
) -> None:
    rule = batching.rule({})
    patience = rule.patience_ms(waited_ms)
    assert patience is None or patience > 0
    assert rule.take(_waiting(waiting, others, waited_ms + (patience or 0.0)))


def test_dynamic_counts_the_lanes_of_whole_groups_and_may_overfill() -> None:
    rule = Dynamic(max_batch=3, max_wait_ms=10, count="samples").rule(PAIRS)
    assert not rule.take(_queue([0, 2, 1]))
    assert [*rule.take(_queue([0, 2, 1, 4, 3]))] == [0, 1, 2, 4]
    assert [*rule.take(_queue([0, 2, 1], waited_ms=10))] == [0, 2]


def test_dynamic_counts_groups() -> None:
    rule = Dynamic(max_batch=2, max_wait_ms=10, count="groups").rule(PAIRS)
    assert not rule.take(_queue([0, 1, 2]))
    assert [*rule.take(_queue([5, 0, 1, 2, 4, 3]))] == [0, 1, 2, 4]
    assert not rule.take(_queue([0, 2, 4], waited_ms=1e9))
    assert rule.patience_ms(1e9) is None


def test_groups_of_different_sizes_are_refused_where_they_should_be_equal() -> None:
    Dynamic(equal_groups=True).rule(PAIRS)
    with pytest.raises(ValueError, match=r"^equal_groups asks .* group 0: 2, group 1: 1$"):
        Dynamic(equal_groups=True).rule({0: 0, 1: 0, 2: 1})


def test_pipelined_serves_the_group_that_was_complete_first() -> None:
    rule = Pipelined().rule(PAIRS)
    assert not rule.take(_queue([0, 2, 4]))
    assert [*rule.take(_queue([0, 2, 3, 1]))] == [1, 2]
    assert [*rule.take(_queue([0, 2], active={0, 2, 3}))] == [0]


def test_pipelined_groups_take_turns() -> None:
    rule = Pipelined(order="round_robin").rule(PAIRS)
    assert not rule.take(_queue([4, 5, 2, 3]))
    assert [*rule.take(_queue([4, 5, 0, 1, 2, 3]))] == [2, 3]
    assert [*rule.take(_queue([4, 5, 2, 3]))] == [2, 3]
    assert [*rule.take(_queue([4, 5, 0, 1]))] == [0, 1]
    assert [*rule.take(_queue([2, 3], active={2, 3}))] == [0, 1]


def test_pipelined_can_serve_all_that_are_complete() -> None:
    rule = Pipelined(order="group_greedy").rule(PAIRS)
    assert [*rule.take(_queue([4, 2, 0, 5, 1]))] == [0, 2, 3, 4]


@pytest.mark.parametrize("wait", [-1.0, float("inf"), float("nan")])
def test_a_wait_that_is_no_time_is_refused(wait: float) -> None:
    with pytest.raises(ValueError, match=r"^max_wait_ms must be finite and at least 0, got"):
        Dynamic(max_wait_ms=wait)


def test_empty_batches_are_refused() -> None:
    for batching in (Dynamic, Greedy):
        with pytest.raises(ValueError, match=r"^max_batch must be at least 1, got 0$"):
            batching(max_batch=0)
