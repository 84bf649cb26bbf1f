"""Generalised advantage estimation (arXiv 1506.02438) of chunks, in numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array, Arrays


def gae(
    segment: Arrays,
    value: Array,
    bootstrap: Array,
    *,
    gamma: float,
    gae_lambda: float,
) -> NDArray[np.float64]:
    """Return the advantage of each entry of `value`, [L, V]; NaN for actions never executed.

    `segment` holds reward, terminated, truncated and valid, [L, C], of consecutive decisions of
    one lane, over as many episodes as they may touch. One value per decision (V = 1) makes the
    decision the step: its reward is the sum over the chunk. Else (V = C) each action is a step.

        delta_t = r_t + gamma (1 - terminated_t) V(s'_t) - V(s_t)
        A_t = delta_t + gamma lambda (1 - done_t) A_t+1

    V(s'_t) is the recorded value of the next step, but the first entry of `bootstrap` [L, V] of
    the decision where the episode was truncated or the segment ends.
    """
    reward, terminated, truncated, valid = _steps(segment, value.shape[1])
    ended, cut = terminated[valid], truncated[valid]
    cut[-1:] = True
    beyond = np.broadcast_to(bootstrap[:, :1], valid.shape)[valid]
    present = value[valid]
    following = np.where(cut, beyond, np.append(present, 0.0)[1:])
    delta = reward[valid] + gamma * np.where(ended, 0.0, following) - present
    decay = np.where(ended | cut, 0.0, gamma * gae_lambda)
    advantage = np.full(valid.shape, np.nan)
    advantage[valid] = _accumulate(delta, decay)
    return advantage


def _steps(segment: Arrays, width: int) -> tuple[Array, Array, Array, Array]:
    valid = segment["valid"]
    reward = np.where(valid, segment["reward"], 0.0).astype(np.float64)
    terminated, truncated = segment["terminated"] & valid, segment["truncated"] & valid
    if width > 1:
        return reward, terminated, truncated, valid
    return reward.sum(1, keepdims=True), _any(terminated), _any(truncated), _any(valid)


def _any(flags: Array) -> Array:
    return np.logical_or.reduce(flags, axis=1, keepdims=True)


def _accumulate(delta: NDArray[np.float64], decay: NDArray[np.float64]) -> NDArray[np.float64]:
    total, sums = 0.0, np.empty_like(delta)
    for step in reversed(range(len(delta))):
        total = delta[step] + decay[step] * total
        sums[step] = total
    return sums
