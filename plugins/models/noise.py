"""Random numbers that a seed alone decides, for many seeds at once; imports no torch.

A hash of seed and place (the finaliser of SplitMix64, doi:10.1145/2660193.2660195) gives 64 random
bits. Normal numbers are made of places 1, 2, ... and uniform ones of places 0, -1, ..., so that
both may be drawn with one seed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array

HALF_WORD = np.uint64(32)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def normal(seeds: NDArray[np.uint64], count: int) -> NDArray[np.float32]:
    """Return `count` standard normal numbers for each seed, [B, count].

    The two halves of a word are the uniforms of each pair that Box and Muller's transform makes.
    """
    pairs = (count + 1) // 2
    words = _hashed(seeds, np.arange(1, pairs + 1, dtype=np.uint64))
    radius = np.sqrt(-2 * np.log(((words >> HALF_WORD) + 0.5) * 2.0**-32))
    angle = (words & np.uint64(0xFFFFFFFF)) * (2 * math.pi * 2.0**-32)
    both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return both[:, :count].astype(np.float32)


def uniform(seeds: NDArray[np.uint64], count: int) -> NDArray[np.float64]:
    """Return `count` numbers in (0, 1) for each seed, [B, count]."""
    words = _hashed(seeds, -np.arange(count, dtype=np.uint64))
    return ((words >> HALF_WORD).astype(np.float64) + 0.5) * 2.0**-32


def positive(temperature: Array) -> NDArray[np.float32]:
    """Return temperatures with 1 for 0: greedy decisions are scored as if they were sampled."""
    return np.where(temperature > 0, temperature, np.float32(1))


def _hashed(seeds: NDArray[np.uint64], places: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return _scattered(_scattered(seeds[:, None] + places * GOLDEN) ^ GOLDEN)


def _scattered(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
