"""V-trace (arXiv 1802.01561): targets and advantages of a policy that is not the one that acted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlvla.plugins.algorithms.steps import accumulated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array
    from rlvla.plugins.algorithms.steps import Steps


@dataclass(frozen=True, kw_only=True)
class VTrace:
    """With rho the ratio of a step under the present weights and those that acted,

        delta_t = min(rho_bar, rho_t) (r_t + gamma_t V(s'_t) - V(s_t)),
        v_t - V(s_t) = delta_t + gamma_t lambda min(c_bar, rho_t) (v_t+1 - V(s_t+1)),
        A_t = r_t + gamma_t (lambda v_t+1 + (1 - lambda) V(s'_t)) - V(s_t),

    where gamma_t is 0 after a termination and nothing of v crosses an episode's or segment's end.
    The paper has lambda = 1; mixed like this, A is GAE's advantage and v = V + A if rho is 1.

    A has no factor rho: the loss that it goes into has the ratio to the policy that acted already,
    and an importance weight that is applied twice is a bias. A plain policy gradient, which has no
    ratio, must multiply A by min(rho_bar, rho) itself.
    """

    trace: float
    """lambda."""
    rho_bar: float
    """Decides of which policy v is the value; at infinity of the present one."""
    c_bar: float
    """How far back errors travel; not above `rho_bar`."""

    def of(self, steps: Steps, ratio: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return A and v of each step at its place, [L, V]; NaN where `ratio` [L, V] has none."""
        rho = ratio[steps.executed].astype(np.float64)
        error, decay = steps.error, steps.decay(self.trace)
        gained = accumulated(
            np.minimum(self.rho_bar, rho) * error, decay * np.minimum(self.c_bar, rho)
        )
        advantage = error + decay * np.append(gained, 0.0)[1:]
        return steps.spread(advantage), steps.spread(steps.value + gained)
