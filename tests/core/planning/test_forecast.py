from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rlvla.core.planning.forecast import forecast
from rlvla.core.planning.size import Size, synchronous
from rlvla.core.run import job_of
from rlvla.core.runtime.virtual.runtime import Virtual
from rlvla.core.runtime.virtual.told import told_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlvla.core.planning.forecast import Forecast
    from rlvla.core.settings import Manifest


def _forecast(manifest: Manifest, cells: int) -> Forecast:
    latencies = told_by(job_of(manifest, manifest.phases[-1]))
    return forecast(manifest, latencies, Size(cells, cells), schedule="it", updates=3)


def test_the_synchronous_forecast_is_the_sum_of_its_parts(
    manifest: Callable[..., Manifest],
) -> None:
    """A batch of 32 are 8 rounds of 4 lanes: 8 (100 + 14) ms, then 8 micro-batches of 20 ms."""
    one = _forecast(synchronous(manifest()), 1)
    np.testing.assert_allclose(one.per_gpu, 32 / (8 * 0.114 + 0.160), rtol=1e-3)
    assert one.staleness == 0


def test_cells_add_up(manifest: Callable[..., Manifest]) -> None:
    one, four = (_forecast(synchronous(manifest()), cells) for cells in (1, 4))
    np.testing.assert_allclose(four.per_gpu, one.per_gpu, rtol=1e-3)
    np.testing.assert_allclose(four.result.decisions_per_s, 4 * one.per_gpu, rtol=1e-3)


def test_ends_of_episodes_are_those_of_a_virtual_runtime(
    manifest: Callable[..., Manifest],
) -> None:
    """Resets of 1 s after every decision instead of every fourth."""
    slow = ("simulator.reset_latency={mean_ms: 1000}",)
    often = manifest(*slow, "runtime={type: virtual, ending: 1.0}")
    assert isinstance(often.runtime, Virtual)
    rates = [_forecast(synchronous(one), 1).per_gpu for one in (manifest(*slow), often)]
    np.testing.assert_allclose(rates[1], 32 / (8 * 1.114 + 0.160), rtol=1e-3)
    np.testing.assert_allclose(rates[0], 32 / (8 * 0.114 + 2 + 0.160), rtol=1e-3)


def test_it_is_told_as_plain_data(manifest: Callable[..., Manifest]) -> None:
    plain = _forecast(manifest(), 2).to_json()
    assert (plain["gpus"], plain["cells"], plain["schedule"]) == (2, 2, "it")
    assert plain["utilisation"][plain["bottleneck"]] == max(plain["utilisation"].values())
    assert sum(plain["staleness"].values()) == 3 * 64
