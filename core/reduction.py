"""How a metric of each decision becomes the number of an update; its name says how."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def reduced(name: str, values: Tensor) -> float:
    """Return the largest for `*_max`, the effective share of weights for `*_ess`, else the mean.

    The effective sample size of weights w, as a share of their number, is mean(w)^2 / mean(w^2).
    """
    if name.endswith("_max"):
        return float(values.max())
    mean = float(values.mean())
    if name.endswith("_ess"):
        return mean**2 / max(float(values.square().mean()), 1e-30)
    return mean
