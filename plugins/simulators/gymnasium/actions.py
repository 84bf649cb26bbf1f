"""What an environment takes, as a vector of numbers within bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rlvla.core.types import Array


@dataclass(frozen=True)
class Actions:
    """The actions of a space, as a vector."""

    space: spaces.Space[Any]
    low: tuple[float, ...]
    high: tuple[float, ...]
    discrete: bool
    """They are whole numbers."""

    def take(self, action: NDArray[np.float32]) -> Any:  # noqa: ANN401 - what the space holds
        """Return what the environment takes for a vector, float32 [D]."""
        numbers = np.rint(action) if self.discrete else action
        return numbers.astype(self.space.dtype, copy=False).reshape(self.space.shape or ())[()]


def actions_of(space: spaces.Space[Any], env: str) -> Actions:
    """Return the actions of a space; raise ValueError for one that no bounded vector describes."""
    bounds = _bounds(space)
    if bounds is None:
        raise ValueError(f"env {env!r} must take a vector of numbers, it takes {space}")
    if not np.isfinite(bounds).all():
        raise ValueError(f"env {env!r} must bound its actions, it takes {space}")
    low, high = (tuple(np.ravel(bound).tolist()) for bound in bounds)
    return Actions(space, low, high, discrete=bool(np.issubdtype(space.dtype, np.integer)))


def _bounds(space: spaces.Space[Any]) -> tuple[Array, Array] | None:
    match space:
        case spaces.Box():
            return space.low, space.high
        case spaces.Discrete():
            return np.asarray(space.start), space.start + space.n - 1
        case spaces.MultiDiscrete():
            return space.start, space.start + space.nvec - 1
        case spaces.MultiBinary():
            return np.zeros(space.shape), np.ones(space.shape)
        case _:
            return None
