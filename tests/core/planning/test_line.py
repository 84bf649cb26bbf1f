from __future__ import annotations

import numpy as np
import pytest

from rlvla.core.planning.line import fitted


def test_a_line_is_found_again() -> None:
    curve = fitted({size: (20 + 1.5 * size) / 1000 for size in (1, 2, 4, 8, 16)})
    np.testing.assert_allclose((curve.base_ms, curve.per_sample_ms), (20, 1.5), atol=1e-4)


def test_errors_count_relative_to_the_time() -> None:
    """Twice as far off at ten times the time is nearer: the small sizes decide."""
    curve = fitted({1: 0.010, 2: 0.010, 1000: 1.2})
    assert curve.seconds(1) == pytest.approx(0.010, rel=0.1)


@pytest.mark.parametrize(
    ("seconds", "base_ms", "per_sample_ms"),
    [
        ({1: 0.001, 2: 0.004}, 0.0, 1.2),
        ({1: 0.004, 2: 0.001}, 1.1765, 0.0),
        ({4: 0.008}, 8.0, 0.0),
    ],
)
def test_no_part_is_negative(
    seconds: dict[int, float], base_ms: float, per_sample_ms: float
) -> None:
    """Least squares of relative errors by hand: slope = sum(n / t) / sum((n / t) ** 2)."""
    curve = fitted(seconds)
    np.testing.assert_allclose((curve.base_ms, curve.per_sample_ms), (base_ms, per_sample_ms))
