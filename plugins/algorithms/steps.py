"""A segment as the steps of a decision process: what advantages are estimated from, in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array, Arrays

    Column: TypeAlias = NDArray[np.float64]

ChunkDiscount: TypeAlias = Literal["per_decision", "per_step"]


@dataclass(frozen=True)
class Steps:
    """The S steps of a segment that were executed, in time order, [S]."""

    reward: Column
    discount: Column
    """Of what follows; 0 where that is nothing, as the episode terminated."""
    value: Column
    following: Column
    """V(s'): the recorded value of the next step; the bootstrap where `last`."""
    last: NDArray[np.bool_]
    """The episode was over after the step, or the segment ends with it."""
    executed: NDArray[np.bool_]
    """[L, V]: where in the segment the steps are."""

    @classmethod
    def of(
        cls,
        segment: Arrays,
        value: Array,
        bootstrap: Array,
        *,
        gamma: float,
        chunk_discount: ChunkDiscount = "per_decision",
    ) -> Steps:
        """Return the steps of a segment with a value [L, V] each.

        `segment` holds reward, terminated, truncated and valid, [L, C], of consecutive decisions
        of one lane, over as many episodes as they may touch. With a value per action (V = C) each
        action is a step. With one per decision (V = 1) the decision is, and either its reward is
        the sum over the chunk and gamma discounts it as a whole (`per_decision`), or, as in a
        semi-Markov process (doi:10.1016/S0004-3702(99)00052-1), with n actions executed,

            R = sum_j gamma^(j - 1) r_j,    gamma^n V(s').

        The first entry of `bootstrap` [L, V] is V(s') where the episode was truncated or the
        segment ends. What was not executed may hold NaN.
        """
        per_step = chunk_discount == "per_step" and value.shape[1] == 1
        reward, discount = _paid(segment, gamma if per_step else 1.0)
        terminated, truncated = (segment[name] & segment["valid"] for name in FLAGS)
        valid = segment["valid"]
        if value.shape[1] == 1:
            reward = reward.sum(1, keepdims=True)
            terminated, truncated, valid = (
                np.logical_or.reduce(one, axis=1, keepdims=True)
                for one in (terminated, truncated, valid)
            )
        ended, last = terminated[valid], (terminated | truncated)[valid]
        last[-1:] = True
        present = value[valid].astype(np.float64)
        beyond = np.broadcast_to(bootstrap[:, :1], valid.shape)[valid]
        following = np.where(last, beyond, np.append(present, 0.0)[1:])
        factor = np.broadcast_to(discount if per_step else gamma, valid.shape)[valid]
        return cls(
            reward=reward[valid],
            discount=np.where(ended, 0.0, factor),
            value=present,
            following=np.where(ended, 0.0, following),
            last=last,
            executed=valid,
        )

    @property
    def error(self) -> Column:
        """The temporal difference: reward + discount V(s') - V(s)."""
        return self.reward + self.discount * self.following - self.value

    def decay(self, trace: float) -> Column:
        """Return what of the next step's estimate enters that of each; nothing beyond `last`."""
        return np.where(self.last, 0.0, trace * self.discount)

    def spread(self, column: Column) -> NDArray[np.float64]:
        """Return a number a step at its place in the segment, [L, V]; NaN elsewhere."""
        spread = np.full(self.executed.shape, np.nan)
        spread[self.executed] = column
        return spread


FLAGS = ("terminated", "truncated")


def accumulated(terms: Column, decay: Column) -> Column:
    """Return x with x_t = terms_t + decay_t x_t+1."""
    total, sums = 0.0, np.empty_like(terms)
    for step in reversed(range(len(terms))):
        total = terms[step] + decay[step] * total
        sums[step] = total
    return sums


def _paid(segment: Arrays, gamma: float) -> tuple[Column, Column]:
    """Return rewards [L, C], discounted within each chunk, and gamma^n, [L, 1]."""
    valid = segment["valid"]
    reward = np.where(valid, segment["reward"], 0.0).astype(np.float64)
    fraction: Column = np.multiply.accumulate(np.where(valid, gamma, 1.0), axis=1)
    before: Column = np.append(np.ones((len(valid), 1)), fraction[:, :-1], axis=1)
    return reward * before, fraction[:, -1:]
