from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvla.plugins.schedulers.even import Even


@given(st.integers(1, 32), st.integers(0, 200))
def test_every_lane_is_in_exactly_one_shard_of_almost_equal_size(shards: int, more: int) -> None:
    lanes = shards + more
    split = Even(shards=shards).split(lanes)
    sizes = [len(part) for part in split]
    assert [lane for part in split for lane in part] == list(range(lanes))
    assert len(split) == shards
    assert max(sizes) - min(sizes) <= 1


def test_the_first_shards_take_the_lanes_that_are_left_over() -> None:
    assert Even(shards=3).split(8) == [range(3), range(3, 6), range(6, 8)]


def test_more_shards_than_lanes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^shards must be at most the number of lanes, 1, got 2$"):
        Even().split(1)


def test_no_shards_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^shards must be at least 1, got 0$"):
        Even(shards=0)
