from __future__ import annotations

import numpy as np
import pytest

from rlvla.core.durations import Durations


def test_mean_and_maximum_are_exact_and_quantiles_close_to_those_of_the_sorted_values() -> None:
    dice = np.random.default_rng(3)
    seconds = dice.lognormal(-3, 1.5, 5000)
    durations = Durations(seconds.tolist())
    assert durations.count == 5000
    np.testing.assert_allclose(durations.mean, seconds.mean())
    assert durations.longest == seconds.max()
    for share in (0.05, 0.5, 0.95, 1.0):
        exact = np.quantile(seconds, share, method="inverted_cdf")
        assert durations.quantile(share) == pytest.approx(exact, rel=0.021)


def test_parts_count_as_if_they_had_been_counted_together() -> None:
    one, two, both = Durations([1, 2, 4]), Durations([3, 6]), Durations(range(1, 9))
    joined = Durations([5, 7, 8], parts=[one, two])
    assert (joined.count, joined.mean, joined.longest) == (8, 4.5, 8)
    assert joined.quantile(0.5) == both.quantile(0.5)


def test_what_took_no_time_at_all_counts_too() -> None:
    assert (Durations().mean, Durations().quantile(0.5)) == (0, 0)
    durations = Durations([0.0])
    assert (durations.count, durations.quantile(0.5), durations.longest) == (1, 0, 0)
