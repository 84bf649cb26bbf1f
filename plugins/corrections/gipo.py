"""A Gaussian in the log-ratio in place of the clip (GIPO, arXiv 2603.03955): per entry

-A rho g(rho),    g = exp(-(log rho / sigma)^2 / 2) without gradient,    rho = pi / b.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvla.plugins.corrections.bounding import Bounding

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class GIPO(Bounding):
    """Damp ratios the more, the further they are from 1; nothing is clipped."""

    clips = False

    sigma: float = 0.5
    """Log-ratio at which the damping is exp(-1/2)."""

    def __post_init__(self) -> None:
        if not self.sigma > 0:
            raise ValueError(f"sigma must be above 0, got {self.sigma}")

    def check(self, *, level: str, decoupled: bool) -> None:
        """Raise ValueError if there is a proximal policy."""
        del level
        if decoupled:
            raise ValueError(
                "type 'gipo' damps the ratio to the behaviour policy; it needs proximal: behaviour"
            )

    def bounded(self, log_weight: Tensor, valid: Tensor | None) -> Tensor:
        """Return the damped log-ratios."""
        del valid
        return log_weight - (log_weight / self.sigma).square() / 2
