"""Generalised advantage estimation (arXiv 1506.02438)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvla.plugins.algorithms.steps import accumulated

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rlvla.plugins.algorithms.steps import Steps


def gae(steps: Steps, gae_lambda: float) -> NDArray[np.float64]:
    """Return the advantage of each step at its place, [L, V]; NaN for actions never executed.

    delta_t = r_t + gamma (1 - terminated_t) V(s'_t) - V(s_t)
    A_t = delta_t + gamma lambda (1 - done_t) A_t+1
    """
    return steps.spread(accumulated(steps.error, steps.decay(gae_lambda)))
