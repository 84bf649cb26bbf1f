"""A curve through measured times of batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.latency import Curve

if TYPE_CHECKING:
    from collections.abc import Mapping


def fitted(seconds: Mapping[int, float]) -> Curve:
    """Return the line with the least squares of relative errors; neither part is negative.

    `seconds` maps the size of a batch to its time.
    """
    sizes = np.array([*seconds], np.float64)
    times = np.array([*seconds.values()], np.float64) * 1000
    columns = (np.ones_like(sizes), sizes)
    base, slope = _solved(columns, times)
    if base < 0:
        base, slope = 0.0, _solved(columns[1:], times)[0]
    if slope < 0 or len(sizes) == 1:
        base, slope = _solved(columns[:1], times)[0], 0.0
    return Curve(base_ms=round(base, 4), per_sample_ms=round(slope, 4))


def _solved(columns: tuple[np.ndarray, ...], times: np.ndarray) -> list[float]:
    matrix = np.stack(columns, axis=1) / times[:, None]
    return [float(one) for one in np.linalg.lstsq(matrix, np.ones_like(times), rcond=None)[0]]
