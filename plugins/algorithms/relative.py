"""Advantages of episodes that are compared with each other instead of with a critic, in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array

Among: TypeAlias = Literal["group", "batch", "none"]


@dataclass(frozen=True, kw_only=True)
class Relative:
    """A = (S - mean) / (std + epsilon) of the score S of each episode."""

    mean_level: Among
    """Among what the mean is taken; `none` subtracts nothing."""
    std_level: Among
    """Among what the deviation is taken; `none` divides by nothing. That of a batch is of what
    `mean_level` left."""
    leave_one_out: bool = False
    """An episode is no part of the mean that is subtracted from it."""
    epsilon: float = 1e-6

    def of(self, scores: Array, groups: Array) -> NDArray[np.float64]:
        """Return the advantage of each of N episodes; `groups` [N] says whom each belongs to."""
        scores = scores.astype(np.float64)
        _, group = np.unique(groups, return_inverse=True)
        count = np.bincount(group)[group] if self.mean_level == "group" else np.array(len(group))
        mean = self._mean(scores, group)
        centred = scores - mean
        advantage = centred
        if self.leave_one_out and self.mean_level != "none":
            advantage = centred * count / np.maximum(count - 1, 1)
        if self.std_level == "none":
            return advantage
        return advantage / (self._deviation(scores, centred, group) + self.epsilon)

    def _mean(self, scores: Array, group: Array) -> Array:
        if self.mean_level == "none":
            return np.zeros_like(scores)
        if self.mean_level == "batch":
            return np.full_like(scores, scores.mean())
        return _means(scores, group)

    def _deviation(self, scores: Array, centred: Array, group: Array) -> Array:
        """Return the unbiased standard deviation, as that of so few must be."""
        if self.std_level == "batch":
            return np.full_like(centred, np.std(centred, ddof=1))
        squares = np.bincount(group, (scores - _means(scores, group)) ** 2)
        return np.sqrt(squares / np.maximum(np.bincount(group) - 1, 1))[group]


def _means(scores: Array, group: Array) -> Array:
    means: Array = (np.bincount(group, scores) / np.bincount(group))[group]
    return means
