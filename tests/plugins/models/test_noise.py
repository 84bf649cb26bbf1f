from __future__ import annotations

import numpy as np

from rlvla.plugins.models.noise import normal, uniform

SEEDS = np.arange(100_000, dtype=np.uint64) + np.uint64(2**64 - 50_000)  # also past the largest


def test_uniform_numbers_fill_the_open_interval_evenly() -> None:
    drawn = uniform(SEEDS, 2)
    assert drawn.shape == (100_000, 2)
    assert 0 < drawn.min() < drawn.max() < 1
    counts = np.stack([np.histogram(one, 20, (0, 1))[0] for one in drawn.T])
    assert np.abs(counts - 5000).max() < 5 * np.sqrt(5000)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(2)).max() < 0.015


def test_uniform_and_normal_numbers_of_a_seed_are_independent() -> None:
    drawn = np.concatenate([uniform(SEEDS, 2), normal(SEEDS, 3), normal(SEEDS, 3) ** 2], axis=1)
    assert np.abs(np.corrcoef(drawn.T)[:2, 2:]).max() < 0.015


def test_a_seed_alone_decides_its_uniform_numbers() -> None:
    np.testing.assert_array_equal(uniform(SEEDS[7:8], 3), uniform(SEEDS, 3)[7:8])
    np.testing.assert_array_equal(uniform(SEEDS, 3)[:, :1], uniform(SEEDS, 1))
