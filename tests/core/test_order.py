from __future__ import annotations

from itertools import product

import pytest

from rlvla.core.order import Order

ORDERS = [
    Order(lanes=lanes, segments=segments, max_staleness=eta, every=every, begun=begun, base=base)
    for lanes, segments, eta, every, begun, base in product(
        (1, 3, 8), (1, 4, 5), (0, 1, 3), (1, 4, 7), (0, 5, 8), (0, 11)
    )
]


@pytest.mark.parametrize("eta", [0, 1, 3])
def test_versions_are_as_old_as_allowed_and_never_older_than_their_era(eta: int) -> None:
    order = Order(lanes=5, segments=2, max_staleness=eta, every=4)
    versions = [order.version(index) for index in range(0, 2 * 9, 2)]
    expected = {
        0: [0, 1, 2, 3, 4, 5, 6, 7, 8],
        1: [0, 0, 1, 2, 4, 4, 5, 6, 8],
        3: [0, 0, 0, 0, 4, 4, 4, 4, 8],
    }
    assert versions == expected[eta]


@pytest.mark.parametrize("order", ORDERS)
def test_the_lanes_share_all_segments_that_are_left_and_none_is_made_twice(order: Order) -> None:
    end = order.first + 60
    made = [
        index
        for lane in range(order.lanes)
        for index in range(order.first_of(lane), end, order.lanes)
    ]
    assert sorted(made) == [*range(order.begun * order.segments, end)]
    for lane in range(order.lanes):
        assert order.first_of(lane) % order.lanes == lane


@pytest.mark.parametrize("order", ORDERS)
def test_no_batch_needs_weights_that_come_later_or_are_gone(order: Order) -> None:
    """Before batch b is trained on, the newest weights are `base + b`."""
    for index in range(order.first, order.first + 100):
        newest = order.base + index // order.segments
        assert newest - order.max_staleness <= order.version(index) <= newest
        assert order.base + order.begun <= order.era(index) <= order.version(index)


def test_who_goes_on_from_a_checkpoint_does_what_was_left() -> None:
    whole = Order(lanes=3, segments=5, max_staleness=2, every=4, base=7)
    later = Order(lanes=3, segments=5, max_staleness=2, every=4, base=7, begun=8)
    for index in range(8 * 5, 100):
        assert later.version(index) == whole.version(index)
        assert later.era(index) == whole.era(index)
