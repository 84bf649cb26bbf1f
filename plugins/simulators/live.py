"""What a simulator owns from `start` to `close`, and hands its lanes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rlvla.core.types import Observation, Start, StepResult


class Lanes(Protocol):
    """Episodes that are being played."""

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin an episode in a lane."""
        ...

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Execute a chunk of actions in a lane."""
        ...

    def close(self) -> None:
        """Release all that they take."""
        ...


L = TypeVar("L", bound=Lanes)


class Live(Generic[L]):
    """A simulator whose `start` sets what is played; `Simulator` says what the rest means."""

    _live: L | None = None

    def reset(self, lane: int, start: Start) -> Observation:
        """Begin the episode of `start`."""
        return self.live.reset(lane, start)

    def step(self, lane: int, actions: NDArray[np.float32]) -> StepResult:
        """Execute a chunk of actions, float32 [C, D]; images are drawn after the last alone."""
        return self.live.step(lane, actions)

    def close(self) -> None:
        """Release what is played; it may be started again."""
        if self._live is not None:
            self._live.close()
            self._live = None

    @property
    def live(self) -> L:
        """What is played; raises RuntimeError before `start` and after `close`."""
        if self._live is None:
            name = type(self).__name__.lower()
            raise RuntimeError(f"{name} is not started; call start(lanes) first")
        return self._live
