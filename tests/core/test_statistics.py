from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rlvla.core.statistics import DECAY, Statistics

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50)


@given(values=VALUES)
def test_one_batch_has_the_moments_of_numpy(values: list[float]) -> None:
    statistics = Statistics()
    assert not statistics.known
    statistics.add(np.array(values, np.float32))
    assert not statistics.known
    statistics.finish()
    assert statistics.known
    row = np.array(values, np.float32).astype(np.float64)
    np.testing.assert_allclose(statistics.moments(), (row.mean(), row.std()), rtol=1e-6, atol=1e-3)


@given(values=VALUES, data=st.data())
def test_moments_do_not_depend_on_order_or_pieces(values: list[float], data: st.DataObject) -> None:
    whole, pieces = Statistics(), Statistics()
    for _ in range(2):
        whole.add(np.array(values))
        whole.finish()
        shuffled = data.draw(st.permutations(values))
        cut = data.draw(st.integers(0, len(values)))
        pieces.add(np.array(shuffled[:cut]))
        pieces.add(np.array(shuffled[cut:]))
        pieces.finish()
    np.testing.assert_allclose(pieces.moments(), whole.moments(), rtol=1e-9, atol=1e-3)


def test_the_present_batch_does_not_count_before_it_is_whole() -> None:
    statistics = Statistics()
    statistics.add(np.ones(3))
    statistics.finish()
    before = statistics.moments()
    statistics.add(np.full(100, 50.0))
    assert statistics.moments() == before


def test_each_batch_weighs_by_its_age_and_the_first_is_no_exception() -> None:
    """Weights are proportional to DECAY^age and add up to one: Kingma and Ba 2015, section 3."""
    batches = np.random.default_rng(0).normal(3, 2, (7, 40))
    statistics = Statistics()
    for batch in batches:
        statistics.add(batch)
        statistics.finish()
    weights = DECAY ** np.arange(len(batches))[::-1]
    weights /= weights.sum()
    mean = weights @ batches.mean(1)
    deviation = np.sqrt(weights @ (batches**2).mean(1) - mean**2)
    np.testing.assert_allclose(statistics.moments(), (mean, deviation))


def test_what_is_not_finite_stands_for_no_value() -> None:
    statistics = Statistics()
    statistics.add(np.array([[np.nan, 1.0], [np.inf, 3.0]]))
    statistics.finish()
    np.testing.assert_allclose(statistics.moments(), (2, 1))
    statistics.add(np.array([np.nan]))
    statistics.finish()
    np.testing.assert_allclose(statistics.moments(), (2, 1))


def test_a_constant_has_no_deviation() -> None:
    statistics = Statistics()
    for _ in range(5):
        statistics.add(np.full(7, 0.1))
        statistics.finish()
    mean, deviation = statistics.moments()
    np.testing.assert_allclose(mean, 0.1)
    assert 0 <= deviation < 1e-7


def test_statistics_go_on_from_their_state() -> None:
    random = np.random.default_rng(1)
    whole, first = Statistics(), Statistics()
    for batch in random.normal(size=(3, 10)):
        whole.add(batch)
        whole.finish()
        first.add(batch)
        first.finish()
        first = Statistics(first.state())
    assert first.moments() == whole.moments()
