"""Conditional flow matching: the supervised loss of a velocity network (arXiv 2210.02747)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from rlvla.plugins.models.noise import normal, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class Lesson:
    """Where on the way from actions to noise, and the velocity there."""

    point: Tensor
    """t e + (1 - t) a, [B, H, A]."""
    time: Tensor
    """t, [B]."""
    velocity: Tensor
    """e - a, [B, H, A]."""


def lesson(actions: Tensor, seeds: NDArray[np.uint64]) -> Lesson:
    """Return a lesson on each row of normalised actions [B, H, A]; its seed decides t and e.

    t is 0.001 + 0.999 Beta(1.5, 1), whose distribution function u = b^1.5 is inverted: more often
    near the noise than near the action, as in pi0 (arXiv 2410.24164).
    """
    beta = uniform(seeds, 1)[:, 0] ** (2 / 3)
    time = torch.as_tensor((0.001 + 0.999 * beta).astype(np.float32), device=actions.device)
    drawn = normal(seeds, actions[0].numel()).reshape(actions.shape)
    noise = torch.as_tensor(drawn, device=actions.device)
    return Lesson(torch.lerp(actions, noise, time[:, None, None]), time, noise - actions)
